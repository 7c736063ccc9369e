-- Zones, and the functions that row-level security asks who is calling.
create schema operational authorization {owner};
create schema audit authorization {owner};
create schema pipeline authorization {owner};

-- A function that anyone may call is one that anyone may hang on a table of their own.
alter default privileges for role {owner} revoke execute on functions from public;

grant usage on schema operational to {service}, {importer}, {builders}, {readers};
grant usage on schema audit to {service}, {importer}, {builders}, {readers}, {auditor};
grant usage on schema pipeline to {pipeline}, {service};

create table operational.clinic (
    clinic_id integer generated always as identity primary key,
    slug text not null unique check (slug ~ '^[a-z0-9_]{{1,40}}$'),
    name text not null,
    time_zone text not null default 'UTC',
    country text not null default 'ZZ' check (country ~ '^[A-Z]{{2}}$'),
    created_at timestamptz not null default now(),
    archived_at timestamptz
);

-- Which database role stands for which clinic: the wall's own register.
create table operational.clinic_role (
    role_name name primary key,
    clinic_id integer not null references operational.clinic,
    kind text not null check (kind in ('builder', 'reader'))
);

-- Grain: one row per request to the provisioner; the only way clinics come into being.
create table operational.provision_request (
    request_id uuid primary key,
    slug text not null,
    name text not null,
    time_zone text not null,
    country text not null,
    requested_at timestamptz not null default now(),
    requested_by text not null,
    done_at timestamptz,
    failure text
);

-- The clinic of the calling clinic role; null for any other role.
create function operational.role_clinic() returns integer
language sql stable
as $$ select clinic_id from operational.clinic_role where role_name = current_user $$;

-- The clinic that the service works for in this transaction. After SET LOCAL a
-- setting reads as '' and not as null.
create function operational.context_clinic() returns integer
language sql stable
as $$ select nullif(current_setting('cloister.clinic_id', true), '')::integer $$;

-- An import may hold rows of several clinics; it says which.
create function operational.context_clinics() returns integer[]
language sql stable
as $$ select string_to_array(nullif(current_setting('cloister.clinic_ids', true), ''), ',')::integer[] $$;

create function operational.context_person() returns uuid
language sql stable
as $$ select nullif(current_setting('cloister.person_id', true), '')::uuid $$;

-- One lock a clinic for every writer of its mart (ingest, dbt, live, consent).
create function operational.lock_clinic(slug text) returns void
language sql volatile
as $$ select pg_advisory_xact_lock(hashtextextended('cloister.clinic.' || slug, 0)) $$;

create function operational.refuse_delete() returns trigger
language plpgsql
as $$ begin
    raise exception 'rows of %.% are never deleted, only marked', tg_table_schema, tg_table_name
        using errcode = 'insufficient_privilege';
end $$;

create function operational.touch() returns trigger
language plpgsql
as $$ begin
    new.version := old.version + 1;
    new.changed_at := statement_timestamp();
    return new;
end $$;

grant execute on function operational.role_clinic() to {builders}, {readers};
grant execute on function operational.context_clinic(), operational.context_person() to {service}, {auditor};
grant execute on function operational.context_clinics() to {importer};
grant execute on function operational.lock_clinic(text) to {service}, {importer}, {pipeline}, {builders};

alter table operational.clinic enable row level security, force row level security;
alter table operational.clinic_role enable row level security, force row level security;
create policy owner_all on operational.clinic to {owner} using (true) with check (true);
create policy owner_all on operational.clinic_role to {owner} using (true) with check (true);
create policy everyone on operational.clinic for select to {service}, {importer} using (true);
create policy own on operational.clinic for select to {builders}, {readers}
    using (clinic_id = (select operational.role_clinic()));
create policy own on operational.clinic_role for select to {builders}, {readers}
    using (role_name = current_user);

grant select on operational.clinic to {service}, {importer}, {builders}, {readers};
grant select on operational.clinic_role to {builders}, {readers};
grant select, insert on operational.provision_request to {service}, {importer};
