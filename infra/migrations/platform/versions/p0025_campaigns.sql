-- Campaigns: one text of a clinic to the members of a segment. Each patient's copy is a message of the queue.

create table operational.campaign (
    clinic_id integer not null references operational.clinic,
    campaign_id uuid not null unique,
    -- Of the clinic's own schema.
    segment_id uuid not null,
    -- Subject and text, sealed under the key of messages.
    content bytea not null,
    -- Keyed hashes of the idempotency key and of the request.
    key_digest text not null check (length(key_digest) = 64),
    request_digest text not null check (length(request_digest) = 64),
    started_by uuid not null references operational.principal,
    started_at timestamptz not null default statement_timestamp(),
    stopped_at timestamptz,
    stopped_by uuid references operational.principal,
    primary key (clinic_id, campaign_id),
    unique (clinic_id, started_by, key_digest),
    check ((stopped_at is null) = (stopped_by is null))
);
create index campaign_segment on operational.campaign (clinic_id, segment_id, started_at);

-- Whoever wants no more of them says so by the link of one. Signing for communications again takes it back.
create table operational.message_refusal (
    clinic_id integer not null,
    refusal_id uuid not null default gen_random_uuid(),
    patient_id uuid not null,
    refused_at timestamptz not null default statement_timestamp(),
    primary key (clinic_id, refusal_id),
    foreign key (clinic_id, patient_id) references operational.registration (clinic_id, patient_id)
);
create index message_refusal_patient on operational.message_refusal (clinic_id, patient_id);

-- The text of a campaign's messages lies with the campaign; requests for a consent say the same to everybody. A copy that is withheld says why in `failure`.
alter table operational.message
    add column refusal_digest bytea unique check (length(refusal_digest) = 32),
    drop constraint message_check,
    add constraint message_content_check check (content is not null or state <> 'pending' or kind in ('campaign', 'consent_request')),
    drop constraint message_state_check,
    add constraint message_state_check check (
        state in ('pending', 'sent', 'passed_on', 'unreachable', 'dead', 'withheld', 'stopped'));
-- Everything else goes before campaigns.
drop index operational.message_pending;
create index message_pending on operational.message ((kind = 'campaign'), next_try_at) where state = 'pending';
-- No patient is written to twice by one campaign; a guardian's copy is of the patient's.
create unique index message_campaign on operational.message (about_id, patient_id)
    where kind = 'campaign' and copied_from is null;

do $$
declare t text;
begin
    foreach t in array array['campaign', 'message_refusal'] loop
        execute format('alter table operational.%I owner to {owner}', t);
        execute format('alter table operational.%I enable row level security, force row level security', t);
        execute format('create policy owner_all on operational.%I to {owner} using (true) with check (true)', t);
        execute format('create policy context on operational.%I to {service}
            using (clinic_id = (select operational.context_clinic()))
            with check (clinic_id = (select operational.context_clinic()))', t);
        execute format('create policy viewing on operational.%I for select to {viewer}
            using (clinic_id = (select operational.context_clinic()))', t);
        execute format('create policy sending on operational.%I for select to {messenger} using (true)', t);
        execute format('create trigger refuse_delete before delete or truncate on operational.%I
            for each statement execute function operational.refuse_delete()', t);
        execute format('grant select, insert on operational.%I to {service}', t);
        execute format('grant select on operational.%I to {messenger}', t);
    end loop;
end $$;
grant update (stopped_at, stopped_by) on operational.campaign to {service};
grant select on operational.message_refusal to {viewer};
create policy rotating on operational.campaign to {rotator} using (true) with check (true);
grant select (campaign_id, content), update (content) on operational.campaign to {rotator};
-- Found by what the link holds, before anybody is known.
create policy presenting on operational.message for select to {service}
    using (encode(refusal_digest, 'hex') = (select current_setting('cloister.presented_code', true)));
-- A merge moves what the patient said.
grant update (patient_id) on operational.message_refusal to {service};

-- Whether somebody can be written to, without where to: the viewer asks it of those who agreed to messages of its
-- clinic, and of their guardians.
alter table operational.account_contact
    add column has_email boolean not null generated always as (email is not null) stored;
create index guardianship_dependent on operational.guardianship (dependent_id);
create policy viewing on operational.guardianship for select to {viewer}
    using (dependent_id in (select c.person_id from operational.consent as c
                            where c.clinic_id = (select operational.context_clinic())
                              and c.purpose = 'communications' and c.state = 'signed'));
create policy viewing on operational.account_contact for select to {viewer}
    using (person_id in (select c.person_id from operational.consent as c
                         where c.clinic_id = (select operational.context_clinic())
                           and c.purpose = 'communications' and c.state = 'signed')
           or person_id in (select g.guardian_id from operational.guardianship as g));
create policy viewing on operational.principal for select to {viewer}
    using (person_id in (select a.person_id from operational.account_contact as a)
           or person_id in (select r.person_id from operational.registration as r));
grant select (guardian_id, dependent_id, starts_on, ends_on, majority_age, agreed) on operational.guardianship
to {viewer};
grant select (person_id, has_email, email_verified_at) on operational.account_contact to {viewer};
grant select (person_id) on operational.principal to {viewer};

-- The messenger asks the same once more when it sends; what is shared with the clinic may be where it sends to.
do $$
declare t text;
begin
    foreach t in array array['registration', 'consent', 'profile_tombstone'] loop
        execute format('create policy sending on operational.%I for select to {messenger} using (true)', t);
    end loop;
end $$;
grant select (clinic_id, patient_id, person_id, deleted_at) on operational.registration to {messenger};
grant select (clinic_id, person_id, purpose, state, occurred_at, expires_at) on operational.consent to {messenger};
grant select (clinic_id, patient_id, cleared_at) on operational.profile_tombstone to {messenger};
grant select (has_email) on operational.account_contact to {messenger};
grant select (email) on operational.profile to {messenger};

-- An admin names a guardianship that was ended, before it is known whose it was.
create policy presenting on operational.guardianship for select to {service}
    using (ended_by is not null and guardianship_id::text = (select current_setting('cloister.presented_code', true)));
