-- Messages to people: queued with what they are about, sent by a login that sees addresses and nothing else.
create table operational.message (
    message_id uuid primary key,
    kind text not null check (kind ~ '^[a-z_]{{1,40}}$'),
    clinic_id integer references operational.clinic,
    -- Of that clinic, where the message is about one.
    patient_id uuid,
    person_id uuid not null references operational.person,
    -- What it tells of, such as an impersonation.
    about_id uuid,
    -- Not for guardians.
    confidential boolean not null default false,
    -- Of a guardian's copy, which is passed on no further: the message whose copy it is.
    copied_from uuid references operational.message,
    -- Gone once it is of no use: sent, passed on, or not to be sent any more.
    content bytea check (content is not null or state <> 'pending'),
    -- Where to, if that is not the account's to say.
    address bytea,
    state text not null default 'pending' check (state in ('pending', 'sent', 'passed_on', 'unreachable', 'dead')),
    attempts integer not null default 0,
    next_try_at timestamptz not null default now(),
    failure text check (failure ~ '^[a-z_]{{1,40}}$'),
    created_at timestamptz not null default now(),
    sent_at timestamptz,
    check ((state = 'sent') = (sent_at is not null)),
    foreign key (clinic_id, patient_id) references operational.registration (clinic_id, patient_id)
);
create index message_pending on operational.message (next_try_at) where state = 'pending';
create index message_clinic on operational.message (clinic_id, about_id, created_at);

-- A demo's mail, for want of a mail server: rendered as it would be sent.
create table operational.demo_mail (
    message_id uuid primary key references operational.message,
    content bytea not null,
    arrived_at timestamptz not null default now()
);

do $$
declare t text;
begin
    foreach t in array array['message', 'demo_mail'] loop
        execute format('alter table operational.%I owner to {owner}', t);
        execute format('alter table operational.%I enable row level security, force row level security', t);
        execute format('create policy owner_all on operational.%I to {owner} using (true) with check (true)', t);
        execute format('create policy rotating on operational.%I to {rotator} using (true) with check (true)', t);
        execute format('create policy sending on operational.%I to {messenger} using (true) with check (true)', t);
        execute format('create trigger refuse_delete before delete or truncate on operational.%I
            for each statement execute function operational.refuse_delete()', t);
    end loop;
end $$;
create policy context on operational.message to {service}
    using (clinic_id = (select operational.context_clinic()))
    with check (clinic_id = (select operational.context_clinic())
                or (clinic_id is null and person_id = (select operational.context_person())));
create policy reading on operational.demo_mail for select to {service} using (true);
grant select, insert on operational.message to {service};
-- Who hides something hushes what is still to be said of it.
grant update (confidential, state, failure, content, address) on operational.message to {service};
grant select on operational.demo_mail to {service};
grant select (message_id, content, address), update (content, address) on operational.message to {rotator};
grant select (message_id, content), update (content) on operational.demo_mail to {rotator};

-- The messenger: queued messages, addresses of accounts, whose guardian somebody is; no name, record or profile.
grant usage on schema operational, audit to {messenger};
grant select, insert, update on operational.message to {messenger};
grant select, insert on operational.demo_mail to {messenger};
grant select (person_id, email, email_verified_at) on operational.account_contact to {messenger};
grant select (guardian_id, dependent_id, starts_on, ends_on) on operational.guardianship to {messenger};
grant select (person_id, birth_date) on operational.profile to {messenger};
grant select (person_id, deleted_at) on operational.person to {messenger};
grant select (principal_id, person_id, disabled_at) on operational.principal to {messenger};
grant select on operational.data_key to {messenger};
grant update (retired_at) on operational.data_key to {messenger};
grant select (impersonation_id, notified_at), update (notified_at) on operational.impersonation to {messenger};
grant insert on audit.access_event, audit.disclosure to {messenger};
do $$
declare t text;
begin
    foreach t in array array['account_contact', 'guardianship', 'profile', 'person', 'principal'] loop
        execute format('create policy sending on operational.%I for select to {messenger} using (true)', t);
    end loop;
end $$;
create policy sending on operational.data_key for select to {messenger}
    using (person_id is not null or purpose = 'message');
-- Who writes under a key holds it, which asks for an update policy; none is changed.
create policy holding on operational.data_key for update to {messenger} using (purpose = 'message') with check (false);
create policy sending on operational.impersonation to {messenger} using (true) with check (true);
create policy sending on audit.access_event for insert to {messenger} with check (action in ('message.send', 'message.retry'));
create policy sending on audit.disclosure for insert to {messenger} with check (true);
