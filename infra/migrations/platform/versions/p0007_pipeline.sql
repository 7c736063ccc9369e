-- What the pipeline keeps about its own runs: ids, counts, SQLSTATEs; never a value of a patient.
create table pipeline.clinic_run (
    invocation_id text not null,
    model text not null,
    clinic text not null,
    status text not null check (status in ('done', 'failed', 'skipped')),
    sqlstate text,
    constraint_name text,
    sql_seconds double precision,
    finished_at timestamptz not null default clock_timestamp(),
    primary key (invocation_id, model, clinic)
);

-- What the marts were last built from; a demo that finds nothing newer does not build again.
create table pipeline.mart_state (
    clinic text primary key,
    as_of date not null,
    fingerprint text not null,
    -- Before the build's first read, and after its last write.
    built_from timestamptz not null,
    built_at timestamptz not null default clock_timestamp()
);

grant select, insert on pipeline.clinic_run to {pipeline};
grant select, insert, update on pipeline.mart_state to {pipeline};
grant select on pipeline.clinic_run, pipeline.mart_state to {service};

-- The pipeline's own login lists clinics and takes their locks; patient data it reads only as a builder.
grant usage on schema operational to {pipeline};
grant select on operational.clinic to {pipeline};
create policy listing on operational.clinic for select to {pipeline} using (true);

-- A consent that runs out leaves no outbox row; this finds those that did since the last build.
create index consent_expiry on operational.consent (clinic_id, expires_at) where expires_at is not null;
