-- What the live worker keeps in each clinic's schema.

-- Grain: one row per patient and what of theirs could not be brought into the mart: their part of it is stale until a
-- later change of theirs succeeds. `segment` stands for their memberships alone. Never a value.
create table dead_change (
    patient_id uuid not null,
    entity text not null check (entity in ('patient', 'appointment', 'form', 'adherence', 'segment')),
    sqlstate text not null,
    constraint_name text,
    failed_at timestamptz not null,
    tries integer not null default 1,
    primary key (patient_id, entity)
);

-- The worker's units of work that changed a row: what dbt built before the last of them is no longer current.
create table live_clock (
    singleton boolean primary key default true check (singleton),
    units bigint not null default 0,
    at timestamptz,
    -- How long the oldest change of that unit had waited.
    lag_seconds double precision
);
insert into live_clock default values;

grant select, insert, update, delete on dead_change to {builder};
grant select, update on live_clock to {builder};
grant select on dead_change, live_clock to {reader};

-- A saved, archived or revived rule wakes the worker; a run that changed a member wakes those who follow them.
create trigger wake after insert or update of version, archived_at on segment
    for each statement execute function operational.notify_clinic('cloister_outbox');
create trigger tell after update of run on segment_clock
    for each row when (new.run <> old.run) execute function operational.notify_clinic('cloister_changes');
