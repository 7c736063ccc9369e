-- Members over time: every change has the number of its run, which the feed follows, a cause, and whether
-- automation may act on it. See docs/segments.md, "Members over time".

-- A version that does not say counts as profile-dependent: what it knows is then taken back on a revocation.
alter table segment_version
    add column profile_dependent boolean not null default true,
    add column fires boolean not null default false;
update segment_version
set profile_dependent = jsonb_path_exists(rule, '$.**.measure ? (@ == "age" || @ == "sex" || @ == "blood_type"
    || @ == "insurance_type" || @ == "chronic_conditions" || @ == "allergies")');

-- The clinic's last run that changed a member, its instant, and the day of the last full evaluation. One writer a
-- clinic takes the next number, so numbers follow commits, and instants never go back where the numbers go on.
create table segment_clock (
    singleton boolean primary key default true check (singleton),
    run bigint not null default 0,
    at timestamptz,
    as_of date
);

-- What each segment was last evaluated by: its own version, and a digest of it and of all that it names.
create table segment_state (
    segment_id uuid primary key references segment,
    version integer not null,
    rules text not null
);

-- Why the next run may find a change: written with the load of the rows, taken by the run. Null is every patient.
create table changed_patient (
    patient_id uuid,
    cause text not null check (cause in ('consent', 'correction', 'data', 'time')),
    constraint changed_patient_key unique nulls not distinct (patient_id, cause)
);

alter table segment_member
    add column entered_run bigint,
    add column left_run bigint,
    add column left_version integer,
    add column fires_in boolean not null default false,
    add column fires_out boolean;

-- Stays from before there were runs: three runs for each instant at which something changed. First those leave who had
-- been there, then those enter who did, then those of them leave who stayed no time at all.
with instant as (
    select at, 3 * row_number() over (order by at) as run
    from (select entered_at as at from segment_member
          union select left_at from segment_member where left_at is not null) as change
),
numbered as (
    insert into segment_clock (run, at) select coalesce(max(run), 0), max(at) from instant
)
update segment_member as stay
set entered_run = came.run - 1,
    left_run = case when stay.left_at > stay.entered_at then went.run - 2 else went.run end,
    left_version = case when went.run is not null then greatest(stay.version, (
        select max(version.version) from segment_version as version
        where version.segment_id = stay.segment_id and version.created_at <= stay.left_at)) end,
    fires_out = case when went.run is not null then false end
from segment_member as same
inner join instant as came on came.at = same.entered_at
left join instant as went on went.at = same.left_at
where same.segment_id = stay.segment_id and same.patient_id = stay.patient_id and same.entered_at = stay.entered_at;

-- Two indexes take every new member, both in the order in which a run inserts: the feed of entries, which is the key,
-- and the present members by patient, for pages and for the live path. The feed of leaves fills as members leave.
-- No foreign key to segment: it costs more than an index, and no role can delete a segment.
drop index segment_member_current;
alter table segment_member
    alter column entered_run set not null,
    alter column fires_in drop default,
    drop constraint segment_member_segment_id_fkey,
    drop constraint segment_member_pkey,
    add primary key (segment_id, entered_run, patient_id),
    drop constraint segment_member_stay,
    add constraint segment_member_stay check (left_at >= entered_at and left_run > entered_run),
    add constraint segment_member_left check (num_nulls(left_at, left_run, left_by, left_version, fires_out) in (0, 5));
create unique index segment_member_present on segment_member (segment_id, patient_id) where left_at is null;
create unique index segment_member_left on segment_member (segment_id, left_run, patient_id) where left_at is not null;

-- A stay is profile-dependent if any version was that was in force while it lasted: a patient who entered by number
-- of visits and stayed when the rule began to ask for an age has told an age.
create view segment_stay with (security_invoker = true) as
select
    stay.*,
    exists (
        select from segment_version as version
        where version.segment_id = stay.segment_id and version.profile_dependent
            and version.version between stay.version and coalesce(stay.left_version, version.version)
    ) as profile_dependent
from segment_member as stay;

-- The feed. In one run a patient either enters a segment or leaves it, so (run, patient_id) is a position in the feed
-- of a segment, and (run, segment_id, patient_id) in that of the clinic.
create view segment_change with (security_invoker = true) as
select segment_id, entered_run as run, 'entered' as kind, patient_id, entered_at as at, entered_by as cause, version,
    fires_in as fires, profile_dependent
from segment_stay
union all
select segment_id, left_run, 'left', patient_id, left_at, left_by, left_version, fires_out, profile_dependent
from segment_stay
where left_at is not null;

grant select, insert, update, delete on segment_state, changed_patient to {builder};
grant select, update on segment_clock to {builder};
grant select on segment_clock, segment_state, segment_stay, segment_change to {reader};
grant update (profile_dependent) on segment_version to {reader};
