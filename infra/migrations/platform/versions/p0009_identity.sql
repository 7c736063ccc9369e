-- Who a principal is, second factors, identities of other issuers, sessions one can list, and a
-- limit on sign-ins that every replica shares.
alter table operational.principal
    -- A patient's or guardian's account is one person's, and a person has at most one.
    add constraint principal_person unique (person_id),
    -- The last time step a code was accepted for: none is accepted twice (RFC 6238, section 5.2).
    add column totp_last_step bigint,
    add column totp_failures integer not null default 0,
    add column totp_locked_until timestamptz;

-- Instead of a code, once each.
create table operational.recovery_code (
    principal_id uuid not null references operational.principal,
    code_hash bytea not null,
    created_at timestamptz not null default now(),
    used_at timestamptz,
    replaced_at timestamptz,
    primary key (principal_id, code_hash)
);

-- Found by issuer and subject alone: an address in a token says nothing about who somebody is here.
create table operational.external_identity (
    issuer text not null,
    subject text not null,
    principal_id uuid not null references operational.principal,
    linked_at timestamptz not null default now(),
    unlinked_at timestamptz,
    primary key (issuer, subject)
);

alter table operational.session
    add column session_id uuid not null unique default gen_random_uuid(),
    add column second_factor_at timestamptz,
    -- Shown to this session alone, until it proves to have it: then it is the principal's.
    add column totp_pending bytea,
    add column origin inet,
    add column agent text;

-- Token buckets of sign-in attempts, by address; a full bucket is as good as none and is deleted.
create table operational.sign_in_bucket (
    bucket text primary key,
    tokens double precision not null,
    refilled_at timestamptz not null
);

do $$
declare t text;
begin
    foreach t in array array['recovery_code', 'external_identity', 'sign_in_bucket'] loop
        execute format('alter table operational.%I owner to {owner}', t);
        execute format('alter table operational.%I enable row level security, force row level security', t);
        execute format('create policy owner_all on operational.%I to {owner} using (true) with check (true)', t);
        execute format('create policy identity on operational.%I to {service} using (true) with check (true)', t);
        execute format('grant select, insert, update on operational.%I to {service}', t);
        if t <> 'sign_in_bucket' then
            execute format('create trigger refuse_delete before delete or truncate on operational.%I
                for each statement execute function operational.refuse_delete()', t);
        end if;
    end loop;
end $$;
grant delete on operational.sign_in_bucket to {service};

-- Its secrets rotate with their purpose's key.
grant select (principal_id, totp_secret), update (totp_secret) on operational.principal to {rotator};
grant select (session_id, totp_pending), update (totp_pending) on operational.session to {rotator};
create policy rotating on operational.principal to {rotator} using (true) with check (true);
create policy rotating on operational.session to {rotator} using (true) with check (true);
