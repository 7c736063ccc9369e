-- One clinic's mart: raw copies of what the clinic may see, segments, and what dbt fills.
-- Run once in each clinic's schema, with search_path set to it. Keys lead with patient_id, so
-- that one index serves the batch's merge and the live path's single patient alike.
create table raw_patients (
    patient_id uuid primary key,
    version bigint not null,
    name text not null,
    external_id text,
    registered_on date not null,
    profile_shared boolean not null,
    -- When the consent to share it expires, if ever: nothing is written then, so readers compare it.
    profile_until timestamptz,
    birth_date date,
    sex text,
    blood_type text,
    allergies text[],
    chronic_conditions text[],
    insurance_type text,
    -- Consent is a wall: an unconsented profile is not in the mart at all.
    constraint raw_patients_consent check (
        profile_shared or num_nonnulls(birth_date, sex, blood_type, allergies, chronic_conditions,
                                       insurance_type) = 0)
);

create table raw_appointments (
    patient_id uuid not null,
    appointment_id uuid not null,
    version bigint not null,
    service text not null,
    modality text not null,
    status text not null check (status in ('booked', 'arrived', 'fulfilled', 'cancelled', 'noshow')),
    booked_on date not null,
    starts_on date not null,
    starts_at timestamptz,
    primary key (patient_id, appointment_id)
);

create table raw_forms (
    patient_id uuid not null,
    form_id uuid not null,
    version bigint not null,
    template text not null,
    status text not null check (status in ('pending', 'in_progress', 'completed', 'expired')),
    assigned_on date not null,
    due_on date,
    completed_on date,
    primary key (patient_id, form_id)
);

create table raw_answers (
    patient_id uuid not null,
    answer_id uuid not null,
    version bigint not null,
    form_id uuid not null,
    template text not null,
    question text not null,
    answered_at timestamptz not null,
    answered_on date not null,
    number double precision,
    choice text,
    body text,
    day date,
    primary key (patient_id, answer_id)
);

create table raw_adherence (
    patient_id uuid not null,
    plan_id uuid not null,
    day date not null,
    version bigint not null,
    prescribed smallint not null,
    done smallint not null,
    primary key (patient_id, plan_id, day)
);

create table segment (
    segment_id uuid primary key,
    slug text not null unique check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 80),
    name text not null check (length(name) between 1 and 200),
    description text not null default '',
    version integer not null default 1,
    profile_dependent boolean not null,
    created_at timestamptz not null,
    created_by uuid,
    archived_at timestamptz
);

create table segment_version (
    segment_id uuid not null references segment,
    version integer not null,
    rule jsonb not null,
    created_at timestamptz not null,
    created_by uuid,
    primary key (segment_id, version)
);

-- Grain: one stay of one patient in one segment; left_at is null while it lasts.
create table segment_member (
    segment_id uuid not null references segment,
    patient_id uuid not null,
    entered_at timestamptz not null,
    left_at timestamptz,
    version integer not null,
    entered_by text not null check (entered_by in ('data', 'time', 'rule', 'consent', 'correction')),
    left_by text check (left_by in ('data', 'time', 'rule', 'consent', 'correction')),
    primary key (segment_id, patient_id, entered_at),
    constraint segment_member_stay check (left_at is null or left_at >= entered_at)
);
create unique index segment_member_current on segment_member (patient_id, segment_id) where left_at is null;

-- The compiled rules of all active segments: one statement, written by the pipeline just before it runs.
create table segment_program (
    singleton boolean primary key default true check (singleton),
    statement text not null,
    parameters jsonb not null,
    fingerprint text not null
);

create table patient_summary (
    patient_id uuid primary key,
    appointments integer not null,
    fulfilled integer not null,
    noshows integer not null,
    first_visit_on date,
    last_visit_on date,
    next_appointment_on date,
    prescribed bigint not null,
    done bigint not null,
    forms_completed integer not null,
    forms_open integer not null
);

create table appointment_report (
    month date not null,
    service text not null,
    status text not null,
    appointments integer not null,
    patients integer not null,
    primary key (month, service, status)
);

-- Grain: one bucket of one dimension of one segment's present members.
create table segment_report (
    segment_id uuid not null,
    dimension text not null check (dimension in ('age', 'sex', 'insurance', 'attendance', 'adherence')),
    bucket text not null,
    patients integer not null,
    primary key (segment_id, dimension, bucket)
);

create view stg_patients with (security_invoker = true) as
select
    patient_id,
    name,
    external_id,
    registered_on,
    profile_shared,
    birth_date,
    sex,
    insurance_type
from raw_patients;

create view stg_appointments with (security_invoker = true) as
select
    patient_id,
    appointment_id,
    service,
    modality,
    status,
    starts_on,
    starts_on - booked_on as lead_days,
    date_trunc('month', starts_on)::date as month
from raw_appointments;

create view stg_forms with (security_invoker = true) as
select
    patient_id,
    form_id,
    template,
    status,
    due_on,
    completed_on
from raw_forms;

create view stg_adherence with (security_invoker = true) as
select
    patient_id,
    plan_id,
    day,
    prescribed,
    done
from raw_adherence;

grant select, insert, update, delete on raw_patients, raw_appointments, raw_forms, raw_answers, raw_adherence,
    segment_member, segment_program, patient_summary, appointment_report, segment_report to {builder};
-- After a load the builder renews the planner's statistics of what it has loaded.
grant maintain on raw_patients, raw_appointments, raw_forms, raw_answers, raw_adherence to {builder};
grant select on segment, segment_version, stg_patients, stg_appointments, stg_forms, stg_adherence to {builder};

grant select on raw_patients, raw_appointments, raw_forms, raw_answers, raw_adherence, segment_member,
    segment, segment_version, patient_summary, appointment_report, segment_report to {reader};
grant insert on segment, segment_version to {reader};
grant update (name, description, version, profile_dependent, archived_at) on segment to {reader};
