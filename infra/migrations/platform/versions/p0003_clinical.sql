-- Clinical records: a clinic's own, never shared. Every reference carries the clinic, so that a
-- foreign id of another clinic fails like one that does not exist.
create table operational.appointment (
    clinic_id integer not null,
    appointment_id uuid not null default gen_random_uuid(),
    patient_id uuid not null,
    service text not null default 'consultation',
    modality text not null default 'in_person' check (modality in ('in_person', 'video')),
    specialist text,
    status text not null check (status in ('booked', 'arrived', 'fulfilled', 'cancelled', 'noshow')),
    booked_on date not null,
    -- The day at the clinic; starts_at is null where the source knows no time of day.
    starts_on date not null check (starts_on >= booked_on),
    starts_at timestamptz,
    source text,
    source_id text,
    deleted_at timestamptz,
    deleted_by uuid,
    delete_reason text,
    version bigint not null default 1,
    changed_at timestamptz not null default now(),
    primary key (clinic_id, appointment_id),
    foreign key (clinic_id, patient_id) references operational.registration (clinic_id, patient_id)
);
create unique index appointment_source on operational.appointment (clinic_id, source, source_id);
create index appointment_patient on operational.appointment (clinic_id, patient_id);

create table operational.form_template (
    clinic_id integer not null references operational.clinic,
    template text not null,
    template_version integer not null,
    title text not null,
    questions jsonb not null,
    created_at timestamptz not null default now(),
    primary key (clinic_id, template, template_version)
);

create table operational.form (
    clinic_id integer not null,
    form_id uuid not null default gen_random_uuid(),
    patient_id uuid not null,
    template text not null,
    template_version integer not null default 1,
    status text not null check (status in ('pending', 'in_progress', 'completed', 'expired')),
    assigned_on date not null,
    due_on date,
    completed_at timestamptz,
    confidential boolean not null default false,
    source text,
    source_id text,
    deleted_at timestamptz,
    deleted_by uuid,
    delete_reason text,
    version bigint not null default 1,
    changed_at timestamptz not null default now(),
    primary key (clinic_id, form_id),
    check ((status = 'completed') = (completed_at is not null)),
    foreign key (clinic_id, patient_id) references operational.registration (clinic_id, patient_id)
);
create unique index form_source on operational.form (clinic_id, source, source_id);
create index form_patient on operational.form (clinic_id, patient_id);

-- Grain: one typed answer to one question of one form.
create table operational.form_answer (
    clinic_id integer not null,
    answer_id uuid not null default gen_random_uuid(),
    patient_id uuid not null,
    form_id uuid not null,
    template text not null,
    question text not null,
    answered_at timestamptz not null,
    -- As in rules: sums and means of such numbers stay numbers.
    number double precision check (number between -1e15 and 1e15),
    choice text,
    body text,
    day date,
    source text,
    source_id text,
    deleted_at timestamptz,
    deleted_by uuid,
    delete_reason text,
    version bigint not null default 1,
    changed_at timestamptz not null default now(),
    primary key (clinic_id, answer_id),
    foreign key (clinic_id, form_id) references operational.form (clinic_id, form_id),
    foreign key (clinic_id, patient_id) references operational.registration (clinic_id, patient_id)
);
create unique index form_answer_source on operational.form_answer (clinic_id, source, source_id);
create index form_answer_patient on operational.form_answer (clinic_id, patient_id);

create table operational.treatment_plan (
    clinic_id integer not null,
    plan_id uuid not null default gen_random_uuid(),
    patient_id uuid not null,
    title text not null,
    prescribed_by text,
    starts_on date not null,
    ends_on date,
    source text,
    source_id text,
    deleted_at timestamptz,
    deleted_by uuid,
    delete_reason text,
    version bigint not null default 1,
    changed_at timestamptz not null default now(),
    primary key (clinic_id, plan_id),
    check (ends_on is null or ends_on >= starts_on),
    foreign key (clinic_id, patient_id) references operational.registration (clinic_id, patient_id)
);
create unique index treatment_plan_source on operational.treatment_plan (clinic_id, source, source_id);
create index treatment_plan_patient on operational.treatment_plan (clinic_id, patient_id);

-- Grain: one day of one plan: exercises prescribed and done.
create table operational.adherence (
    clinic_id integer not null,
    plan_id uuid not null,
    day date not null,
    patient_id uuid not null,
    prescribed smallint not null check (prescribed between 1 and 500),
    done smallint not null check (done between 0 and prescribed),
    deleted_at timestamptz,
    deleted_by uuid,
    delete_reason text,
    version bigint not null default 1,
    changed_at timestamptz not null default now(),
    primary key (clinic_id, plan_id, day),
    foreign key (clinic_id, plan_id) references operational.treatment_plan (clinic_id, plan_id),
    foreign key (clinic_id, patient_id) references operational.registration (clinic_id, patient_id)
);
create index adherence_patient on operational.adherence (clinic_id, patient_id);

-- The dirty queue: which patients of which clinic changed, and in what. Emptied by the worker
-- under the clinic's lock, together with its work.
create table operational.outbox (
    outbox_id bigint generated always as identity primary key,
    clinic_id integer not null,
    entity text not null check (entity in ('patient', 'appointment', 'form', 'adherence')),
    patient_id uuid not null,
    changed_at timestamptz not null default now()
);
create index outbox_clinic on operational.outbox (clinic_id, outbox_id);

create table operational.import_batch (
    batch_id uuid primary key,
    source text not null,
    file text not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    counts jsonb
);

-- A row that broke the contract, as it was (encrypted), until a corrected one arrives.
create table operational.quarantine (
    quarantine_id uuid primary key,
    batch_id uuid not null references operational.import_batch,
    clinic_id integer references operational.clinic,
    source text not null,
    entity text not null,
    -- Keyed hashes: of the row's id in its source, and of the whole row.
    source_key bytea,
    row_key bytea not null,
    file text not null,
    line bigint not null,
    reason text not null,
    field text,
    content bytea not null,
    created_at timestamptz not null default now(),
    resolved_at timestamptz,
    unique nulls not distinct (source, entity, clinic_id, row_key)
);
create index quarantine_source on operational.quarantine (source, entity, source_key)
    where resolved_at is null;
