-- What each asset check said of each clinic, run by run: names of rules and of segments with counts of what breaks
-- them, never a value of a patient. Whether a clinic passed is kept beside: a suite may fail and name nothing.
create table pipeline.verdict (
    clinic text not null,
    asset text not null,
    check_name text not null,
    found_at timestamptz not null default clock_timestamp(),
    run_id text not null,
    passed boolean not null,
    broken jsonb not null default '{{}}' check (jsonb_typeof(broken) = 'object'),
    check (not passed or broken = '{{}}'),
    primary key (clinic, asset, check_name, found_at, run_id)
);
grant select, insert on pipeline.verdict to {pipeline};
grant select on pipeline.verdict to {service};

-- Of each check of each clinic the newest, and since when it fails without a pass in between. Steps from one check to
-- the next by the key, so that it costs the same however many runs there were.
create view pipeline.newest_verdict with (security_invoker = true) as
with recursive checked as (
    (select clinic, asset, check_name from pipeline.verdict order by clinic, asset, check_name limit 1)
    union all
    select n.clinic, n.asset, n.check_name
    from checked as c
    cross join lateral (
        select v.clinic, v.asset, v.check_name from pipeline.verdict as v
        where (v.clinic, v.asset, v.check_name) > (c.clinic, c.asset, c.check_name)
        order by v.clinic, v.asset, v.check_name limit 1
    ) as n
)
select
    c.clinic, c.asset, c.check_name, newest.found_at, newest.run_id, newest.passed, newest.broken,
    case when not newest.passed then (
        select v.found_at from pipeline.verdict as v
        where
            (v.clinic, v.asset, v.check_name) = (c.clinic, c.asset, c.check_name)
            and v.found_at > coalesce(
                (
                    select p.found_at from pipeline.verdict as p
                    where (p.clinic, p.asset, p.check_name) = (c.clinic, c.asset, c.check_name) and p.passed
                    order by p.found_at desc limit 1
                ),
                '-infinity'
            )
        order by v.found_at limit 1
    ) end as failing_since
from checked as c
cross join lateral (
    select v.found_at, v.run_id, v.passed, v.broken from pipeline.verdict as v
    where (v.clinic, v.asset, v.check_name) = (c.clinic, c.asset, c.check_name)
    order by v.found_at desc limit 1
) as newest;
grant select on pipeline.newest_verdict to {service};
