-- What a patient who withdraws leaves behind in a clinic's mart: one word in the feed of each segment.

-- Grain: one patient whose stays in a segment went to the audit zone, with the run of the last time.
create table segment_forget (
    segment_id uuid not null,
    patient_id uuid not null,
    run bigint not null,
    at timestamptz not null,
    version integer not null,
    primary key (segment_id, patient_id)
);
create unique index segment_forget_run on segment_forget (segment_id, run, patient_id);

-- Grain: one patient whose profile has left raw_patients, while what it told of them has not left yet. Nothing that
-- depends on profiles is shown of them meanwhile.
create table withdrawal (
    patient_id uuid primary key,
    since timestamptz not null default clock_timestamp()
);

-- By a trigger, so that no way into the mart can forget it.
create function note_withdrawal() returns trigger
language plpgsql
as $$ begin
    execute format('insert into %I.withdrawal (patient_id) values ($1) on conflict do nothing', tg_table_schema)
        using old.patient_id;
    return null;
end $$;
create trigger withdrawn after update of profile_shared on raw_patients for each row
    when (old.profile_shared and not new.profile_shared) execute function note_withdrawal();
create trigger withdrawn_whole after delete on raw_patients for each row
    when (old.profile_shared) execute function note_withdrawal();

-- Who withdrew before.
insert into withdrawal (patient_id)
select p.patient_id
from raw_patients as p
left join operational.profile_tombstone as t on t.patient_id = p.patient_id and t.cleared_at is null
where not p.profile_shared and (t.patient_id is not null or p.profile_until <= now());

-- Past stays of one patient, and profiles whose consent is about to run out: few rows each.
create index segment_member_past on segment_member (patient_id) where left_at is not null;
create index raw_patients_until on raw_patients (profile_until) where profile_until is not null and profile_shared;

create or replace view segment_change with (security_invoker = true) as
select segment_id, entered_run as run, 'entered' as kind, patient_id, entered_at as at, entered_by as cause, version,
    fires_in as fires, profile_dependent
from segment_stay
union all
select segment_id, left_run, 'left', patient_id, left_at, left_by, left_version, fires_out, profile_dependent
from segment_stay
where left_at is not null
union all
select segment_id, run, 'forget', patient_id, at, 'consent', version, true, false
from segment_forget;

grant select, insert, update, delete on segment_forget, withdrawal to {builder};
grant select on segment_stay to {builder};
grant select on segment_forget, withdrawal to {reader};
