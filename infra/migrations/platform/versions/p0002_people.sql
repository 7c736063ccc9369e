-- People, portable profiles, registrations and consents: the system of record.
create table operational.person (
    person_id uuid primary key default gen_random_uuid(),
    name text not null check (length(name) between 1 and 200),
    account_id uuid,
    verified_at timestamptz,
    deleted_at timestamptz,
    deleted_by uuid,
    delete_reason text,
    version bigint not null default 1,
    changed_at timestamptz not null default now()
);

-- Portable: belongs to the person; clinics never write it. The five ciphertexts are
-- AES-256-GCM under the person's data key (see infra/encryption).
create table operational.profile (
    person_id uuid primary key references operational.person,
    birth_date date,
    birth_date_estimated boolean not null default false,
    sex text check (sex in ('female', 'male', 'other', 'unknown')),
    blood_type text check (blood_type in ('A+', 'A-', 'B+', 'B-', 'AB+', 'AB-', 'O+', 'O-')),
    allergies text[],
    chronic_conditions text[],
    insurance_type text,
    phone bytea,
    email bytea,
    address bytea,
    policy_number bytea,
    emergency_contacts bytea,
    -- The newest source row that spoke about this profile, so that imports may come in any order.
    asserted_on date,
    asserted_by text,
    version bigint not null default 1,
    changed_at timestamptz not null default now()
);

-- A person as a source system names them: the only way an import finds a known person.
create table operational.person_source (
    source text not null,
    scope text not null default '',
    source_id text not null,
    person_id uuid not null references operational.person,
    primary key (source, scope, source_id)
);

-- A person at a clinic. patient_id is that clinic's own random id for the patient.
create table operational.registration (
    clinic_id integer not null references operational.clinic,
    patient_id uuid not null default gen_random_uuid(),
    person_id uuid not null references operational.person,
    external_id text,
    registered_on date not null,
    deleted_at timestamptz,
    deleted_by uuid,
    delete_reason text,
    version bigint not null default 1,
    changed_at timestamptz not null default now(),
    primary key (clinic_id, patient_id),
    -- A deleted registration is revived, not made anew.
    unique (person_id, clinic_id)
);

create table operational.guardianship (
    guardianship_id uuid primary key default gen_random_uuid(),
    guardian_id uuid not null references operational.person,
    dependent_id uuid not null references operational.person,
    relationship text not null,
    starts_on date not null,
    ends_on date,
    check (guardian_id <> dependent_id),
    unique (guardian_id, dependent_id, starts_on)
);

create table operational.consent_text (
    clinic_id integer not null references operational.clinic,
    purpose text not null check (purpose in ('profile_sharing', 'communications')),
    text_version text not null,
    body text not null,
    sha256 bytea not null check (length(sha256) = 32),
    created_at timestamptz not null default now(),
    primary key (clinic_id, purpose, text_version)
);

-- Append-only: what was signed or revoked, by whom, when.
create table operational.consent_event (
    event_id uuid primary key default gen_random_uuid(),
    clinic_id integer not null,
    person_id uuid not null references operational.person,
    purpose text not null check (purpose in ('profile_sharing', 'communications')),
    kind text not null check (kind in ('signed', 'revoked')),
    text_version text not null,
    signer_id uuid not null references operational.person,
    channel text not null,
    occurred_at timestamptz not null,
    expires_at timestamptz,
    recorded_at timestamptz not null default now(),
    foreign key (clinic_id, purpose, text_version) references operational.consent_text,
    -- Nobody signs or revokes in the future; five minutes for clocks that differ.
    check (occurred_at <= recorded_at + interval '5 minutes')
);
create index consent_event_person on operational.consent_event (person_id, clinic_id);

-- The state that the events add up to; written by a trigger on consent_event alone.
create table operational.consent (
    clinic_id integer not null,
    person_id uuid not null,
    purpose text not null,
    state text not null check (state in ('signed', 'revoked')),
    event_id uuid not null,
    occurred_at timestamptz not null,
    expires_at timestamptz,
    version bigint not null default 1,
    primary key (clinic_id, purpose, person_id)
);
create index consent_person on operational.consent (person_id);

-- Every profile-derived read and every profile load checks this, so that a batch begun before
-- a revocation cannot bring anything back.
create table operational.profile_tombstone (
    clinic_id integer not null references operational.clinic,
    patient_id uuid not null,
    revoked_at timestamptz not null,
    -- When the platform learned of it, which may be later.
    recorded_at timestamptz not null default clock_timestamp(),
    cleared_at timestamptz,
    primary key (clinic_id, patient_id),
    foreign key (clinic_id, patient_id) references operational.registration (clinic_id, patient_id)
);
create index profile_tombstone_live on operational.profile_tombstone (clinic_id) where cleared_at is null;
