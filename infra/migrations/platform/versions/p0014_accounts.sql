-- Accounts of patients and guardians: codes that prove a contact, links that set a password, and doubtful
-- registrations, which staff decide about.

-- What a token was issued before is no good: set whenever the password or the codes are.
alter table operational.principal add column tokens_valid_from timestamptz;

-- A contact that another account verified before: it reaches this account, and finds the other.
alter table operational.account_contact
    add column phone_shared boolean not null default false,
    add column email_shared boolean not null default false;
grant select (phone_verified_at, email_verified_at, phone_shared, email_shared) on operational.account_contact
to {rotator};

-- A contact that is not an account's any more finds nobody: its digests go.
grant delete on operational.blind_index to {service};

-- Grain: one contact of one person, to be proven by a code. Whoever has the id may answer it, and needs the code.
create table operational.verification (
    verification_id uuid primary key,
    person_id uuid not null references operational.person,
    -- The clinic that was booked at; null where an account changes its own contact.
    clinic_id integer references operational.clinic,
    channel text not null check (channel in ('phone', 'email')),
    -- Sealed under the key of its purpose; the digest, keyed, counts the codes that go to one contact.
    contact bytea not null,
    contact_digest bytea not null,
    code_digest bytea not null,
    codes integer not null default 1 check (codes between 0 and 5),
    tries integer not null default 0 check (tries between 0 and 5),
    created_at timestamptz not null default statement_timestamp(),
    sent_at timestamptz not null default statement_timestamp(),
    expires_at timestamptz not null,
    answered_at timestamptz,
    check (expires_at > sent_at and expires_at <= sent_at + interval '10 minutes')
);
create index verification_contact on operational.verification (contact_digest, sent_at);

-- A link that sets an account's password, once.
create table operational.password_link (
    token_hash bytea primary key,
    principal_id uuid not null references operational.principal,
    created_at timestamptz not null default statement_timestamp(),
    expires_at timestamptz not null,
    used_at timestamptz
);
create index password_link_principal on operational.password_link (principal_id) where used_at is null;

do $$
declare t text;
begin
    foreach t in array array['verification', 'password_link'] loop
        execute format('alter table operational.%I owner to {owner}', t);
        execute format('alter table operational.%I enable row level security, force row level security', t);
        execute format('create policy owner_all on operational.%I to {owner} using (true) with check (true)', t);
        execute format('create policy identity on operational.%I to {service} using (true) with check (true)', t);
        execute format('create trigger refuse_delete before delete or truncate on operational.%I
            for each statement execute function operational.refuse_delete()', t);
    end loop;
end $$;
grant select, insert, update (contact, code_digest, codes, tries, sent_at, expires_at, answered_at)
on operational.verification to {service};
grant select, insert, update (used_at) on operational.password_link to {service};
create policy rotating on operational.verification to {rotator} using (true) with check (true);
grant select (verification_id, contact), update (contact) on operational.verification to {rotator};

-- One's own contacts, never a dependent's or another guardian's.
create policy own_family on operational.account_contact for select to {family}
    using (person_id = (select operational.context_person()));
grant select on operational.account_contact to {family};

-- Grain: two registrations at one clinic that one person's account turned out to have. Staff decide whether
-- they are one patient's: nothing is merged by itself.
create table operational.merge_case (
    clinic_id integer not null references operational.clinic,
    case_id uuid not null default gen_random_uuid(),
    kept_patient_id uuid not null,
    other_patient_id uuid not null,
    opened_at timestamptz not null default statement_timestamp(),
    decision text check (decision in ('merge', 'distinct')),
    decided_at timestamptz,
    decided_by uuid references operational.principal,
    primary key (clinic_id, case_id),
    unique (clinic_id, kept_patient_id, other_patient_id),
    check (kept_patient_id <> other_patient_id),
    check ((decision is null) = (decided_at is null) and (decision is null) = (decided_by is null)),
    foreign key (clinic_id, kept_patient_id) references operational.registration (clinic_id, patient_id),
    foreign key (clinic_id, other_patient_id) references operational.registration (clinic_id, patient_id)
);
alter table operational.merge_case owner to {owner};
alter table operational.merge_case enable row level security, force row level security;
create policy owner_all on operational.merge_case to {owner} using (true) with check (true);
create policy context on operational.merge_case to {service}
    using (clinic_id = (select operational.context_clinic()))
    with check (clinic_id = (select operational.context_clinic()));
create policy viewing on operational.merge_case for select to {viewer}
    using (clinic_id = (select operational.context_clinic()));
create trigger refuse_delete before delete or truncate on operational.merge_case
    for each statement execute function operational.refuse_delete();
grant select, insert, update (decision, decided_at, decided_by) on operational.merge_case to {service};
grant select on operational.merge_case to {viewer};
