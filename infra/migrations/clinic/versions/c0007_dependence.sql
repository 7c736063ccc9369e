-- Whether the rules that a segment was last evaluated by depended on profiles. One that does so no more still has the
-- members that those gave it, until it is evaluated again.
alter table segment_state add column profile_dependent boolean not null default true;
update segment_state as state
set profile_dependent = segment.profile_dependent or version.profile_dependent
from segment, segment_version as version
where segment.segment_id = state.segment_id
    and version.segment_id = state.segment_id and version.version = state.version;
alter table segment_state alter column profile_dependent drop default;

-- Whether the present members of a segment tell of profiles.
create view segment_dependence with (security_invoker = true) as
select
    segment.segment_id,
    segment.profile_dependent or coalesce(state.profile_dependent, false) as profile_dependent
from segment
left join segment_state as state on state.segment_id = segment.segment_id;

grant select on segment_dependence to {reader};
