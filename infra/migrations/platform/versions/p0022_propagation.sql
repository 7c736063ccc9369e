-- What is left to do in a clinic's mart once a profile begins or ceases to be shared, and the receipt that it is done.

-- Grain: one beginning or end of one patient's sharing: a signature, a revocation, a signature that ran out, or a
-- deletion. Open until the clinic's mart says the same.
create table operational.consent_propagation (
    propagation_id uuid primary key default gen_random_uuid(),
    clinic_id integer not null,
    patient_id uuid not null,
    consent_event_id uuid not null references operational.consent_event,
    kind text not null check (kind in ('signed', 'revoked', 'expired', 'deleted')),
    -- Just before the commit that every read goes by from then on; of what ran out, its end.
    since timestamptz not null default clock_timestamp(),
    done_at timestamptz,
    unique (consent_event_id, kind, since),
    foreign key (clinic_id, patient_id) references operational.registration (clinic_id, patient_id)
);
create index consent_propagation_open on operational.consent_propagation (clinic_id, patient_id) where done_at is null;

create policy own on operational.consent_propagation for select to {builders}
    using (clinic_id = (select operational.role_clinic()));
create policy finishing on operational.consent_propagation for update to {builders}
    using (clinic_id = (select operational.role_clinic()));
-- That a signature ran out is nobody's write: whoever brings the mart up to date finds it.
create policy running_out on operational.consent_propagation for insert to {builders}
    with check (clinic_id = (select operational.role_clinic()) and kind = 'expired');
create policy own_family on operational.consent_propagation for select to {family}
    using (exists (select from operational.registration as r where r.clinic_id = consent_propagation.clinic_id
                   and r.patient_id = consent_propagation.patient_id));
grant select, insert, update (done_at) on operational.consent_propagation to {builders};
grant select on operational.consent_propagation to {family};

-- Made in the transaction of the event. What is not the newest word changes nothing; nor is a receipt due for what
-- an import says was signed elsewhere.
create function operational.note_propagation() returns trigger
language plpgsql security definer set search_path = ''
as $$ begin
    insert into operational.consent_propagation (clinic_id, patient_id, consent_event_id, kind)
    select r.clinic_id, r.patient_id, e.event_id, e.kind
    from changed as e
    inner join operational.consent as c on c.event_id = e.event_id
    inner join operational.registration as r on r.clinic_id = e.clinic_id and r.person_id = e.person_id
    where e.purpose = 'profile_sharing'
        and (e.kind = 'revoked' or to_regrole(quote_ident(session_user)) is distinct from to_regrole('{importer}'));
    return null;
end $$;
alter function operational.note_propagation() owner to {owner};
-- After `a_state`, which says which event counts.
create trigger propagation after insert on operational.consent_event referencing new table as changed
    for each statement execute function operational.note_propagation();

create function operational.note_deletion() returns trigger
language plpgsql security definer set search_path = ''
as $$ begin
    insert into operational.consent_propagation (clinic_id, patient_id, consent_event_id, kind)
    select r.clinic_id, r.patient_id, c.event_id, 'deleted'
    from operational.registration as r
    inner join operational.consent as c
        on c.clinic_id = r.clinic_id and c.person_id = r.person_id and c.purpose = 'profile_sharing'
    where r.person_id = new.person_id and c.state = 'signed'
        and (tg_table_name = 'person' or r.clinic_id = (to_jsonb(new) ->> 'clinic_id')::integer);
    return null;
end $$;
alter function operational.note_deletion() owner to {owner};
do $$
declare t text;
begin
    foreach t in array array['registration', 'person'] loop
        execute format('create trigger propagation after update of deleted_at on operational.%I for each row
            when (old.deleted_at is null and new.deleted_at is not null)
            execute function operational.note_deletion()', t);
    end loop;
end $$;

-- Revocations of before are finished as well.
insert into operational.consent_propagation (clinic_id, patient_id, consent_event_id, kind, since)
select t.clinic_id, t.patient_id, c.event_id, c.state, t.recorded_at
from operational.profile_tombstone as t
inner join operational.registration as r on r.clinic_id = t.clinic_id and r.patient_id = t.patient_id
inner join operational.consent as c
    on c.clinic_id = r.clinic_id and c.person_id = r.person_id and c.purpose = 'profile_sharing'
where t.cleared_at is null and c.state = 'revoked';

alter table operational.consent_propagation owner to {owner};
alter table operational.consent_propagation enable row level security, force row level security;
create policy owner_all on operational.consent_propagation to {owner} using (true) with check (true);
create trigger refuse_delete before delete or truncate on operational.consent_propagation
    for each statement execute function operational.refuse_delete();

-- Grain: one stay in a segment that told something of a profile, as it was when the patient withdrew. No runtime role
-- reads them: a day of entering 'over 65' is a birthday.
create table audit.withdrawn_stay (
    clinic_id integer not null,
    segment_id uuid not null,
    patient_id uuid not null,
    entered_at timestamptz not null,
    entered_run bigint not null,
    entered_by text not null,
    version integer not null,
    fires_in boolean not null,
    left_at timestamptz,
    left_run bigint,
    left_by text,
    left_version integer,
    fires_out boolean,
    withdrawn_at timestamptz not null,
    primary key (clinic_id, segment_id, patient_id, entered_run)
);

-- Grain: one signed receipt of a propagation that is done. It commits with what it attests.
create table audit.consent_receipt (
    propagation_id uuid primary key,
    clinic_id integer not null,
    patient_id uuid not null,
    consent_event_id uuid not null,
    kind text not null,
    issued_at timestamptz not null,
    note text not null
);
create index consent_receipt_patient on audit.consent_receipt (patient_id, issued_at);
create index consent_receipt_event on audit.consent_receipt (consent_event_id);

-- The public keys that receipts were ever signed with.
create table audit.receipt_signer (
    verifier text primary key,
    since timestamptz not null
);

do $$
declare t text;
begin
    foreach t in array array['withdrawn_stay', 'consent_receipt', 'receipt_signer'] loop
        execute format('alter table audit.%I owner to {owner}', t);
        execute format('alter table audit.%I enable row level security, force row level security', t);
        execute format('create policy owner_all on audit.%I to {owner} using (true) with check (true)', t);
        execute format('create trigger append_only before update or delete on audit.%I
            for each row execute function audit.refuse_change()', t);
        execute format('create trigger append_only_truncate before truncate on audit.%I
            for each statement execute function audit.refuse_change()', t);
        execute format('grant insert on audit.%I to {builders}', t);
    end loop;
    foreach t in array array['withdrawn_stay', 'consent_receipt'] loop
        execute format('create policy own on audit.%I for insert to {builders}
            with check (clinic_id = (select operational.role_clinic()))', t);
    end loop;
end $$;
-- Of receipts alone: a key by the name of another stream would be published as one of that.
create policy own on audit.receipt_signer for insert to {builders}
    with check (verifier like 'cloister/%/receipts+%');
create policy signed on audit.receipt_signer for select to {builders}, {service} using (true);
grant select on audit.receipt_signer to {builders}, {service};
create policy auditing on audit.consent_receipt for select to {auditor}
    using (current_setting('cloister.audit_scope', true) = 'platform'
           or clinic_id = (select operational.context_clinic()));
create policy reading_own on audit.consent_receipt for select to {family}
    using (exists (select from operational.registration as r where r.clinic_id = consent_receipt.clinic_id
                   and r.patient_id = consent_receipt.patient_id));
grant select on audit.consent_receipt to {auditor};
grant select (propagation_id, clinic_id, patient_id, consent_event_id, kind, issued_at, note)
    on audit.consent_receipt to {family};

-- A transaction of the pipeline may have waited for the clinic's lock since before a signature: what is signed when a
-- statement begins is signed.
alter policy consented_mart on operational.profile
    using (exists (select from operational.consent c
                   where c.person_id = profile.person_id
                     and c.clinic_id = (select operational.role_clinic())
                     and c.purpose = 'profile_sharing' and c.state = 'signed' and c.occurred_at <= statement_timestamp()
                     and (c.expires_at is null or c.expires_at > statement_timestamp())));
