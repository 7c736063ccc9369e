-- Principals, what they may present, and the keys that encrypt.
create table operational.principal (
    principal_id uuid primary key default gen_random_uuid(),
    kind text not null check (kind in ('human', 'system')),
    login text not null unique,
    display_name text not null,
    person_id uuid references operational.person,
    password_hash text,
    totp_secret bytea,
    failed_attempts integer not null default 0,
    locked_until timestamptz,
    disabled_at timestamptz,
    created_at timestamptz not null default now()
);

create table operational.principal_role (
    principal_id uuid not null references operational.principal,
    role text not null check (role in (
        'patient', 'guardian', 'clinic_staff', 'specialist', 'clinic_manager',
        'automation_system', 'clinic_auditor', 'platform_auditor', 'platform_admin')),
    clinic_id integer references operational.clinic,
    granted_at timestamptz not null default now(),
    revoked_at timestamptz,
    unique nulls not distinct (principal_id, role, clinic_id)
);

-- Shown once, stored hashed; the prefix finds it. One purpose a key.
create table operational.api_key (
    key_id uuid primary key default gen_random_uuid(),
    principal_id uuid not null references operational.principal,
    clinic_id integer not null references operational.clinic,
    prefix text not null unique,
    key_hash bytea not null,
    segments text[],
    fields text[] not null,
    purpose text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    replaced_by uuid references operational.api_key,
    last_used_at timestamptz,
    revoked_at timestamptz
);

create table operational.session (
    session_hash bytea primary key,
    principal_id uuid not null references operational.principal,
    csrf_token text not null,
    created_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    expires_at timestamptz not null,
    revoked_at timestamptz
);

-- Signing keys of the built-in issuer; the private part is wrapped by the key provider.
create table operational.issuer_key (
    key_id text primary key,
    algorithm text not null,
    public_jwk jsonb not null,
    private_jwk bytea not null,
    created_at timestamptz not null default now(),
    retired_at timestamptz
);

-- Data keys, wrapped by the key-encryption key of that name and version. Exactly one owner: a
-- person, or the name of a purpose (quarantine, issuer).
create table operational.data_key (
    data_key_id uuid primary key,
    person_id uuid references operational.person,
    purpose text,
    wrapped bytea not null,
    kek_id text not null,
    kek_version integer not null,
    key_version integer not null default 1,
    created_at timestamptz not null default now(),
    retired_at timestamptz,
    check ((person_id is null) <> (purpose is null))
);
create unique index data_key_person on operational.data_key (person_id, key_version) where person_id is not null;
create unique index data_key_purpose on operational.data_key (purpose, key_version) where purpose is not null;

create table operational.blind_index (
    person_id uuid not null references operational.person,
    field text not null,
    key_version integer not null,
    digest bytea not null,
    primary key (person_id, field, key_version, digest)
);
create index blind_index_digest on operational.blind_index (field, key_version, digest);
