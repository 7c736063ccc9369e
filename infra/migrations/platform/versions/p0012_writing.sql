-- Writing through the gateway: in whose hand, what families see of their records, contacts of accounts.

-- The person whose own sign-in asks; null for staff and systems.
create function operational.context_actor() returns uuid
language sql stable
as $$ select nullif(current_setting('cloister.actor_id', true), '')::uuid $$;
alter function operational.context_actor() owner to {owner};
grant execute on function operational.context_actor() to {service};

-- Staff and systems sign nothing: an event is in the hand of the person who asks. Imports bring what was
-- signed elsewhere, and have a policy of their own.
create policy own_hand on operational.consent_event as restrictive for insert to {service}
    with check (signer_id = (select operational.context_actor()));

-- Hidden from guardians, by the dependent or the specialist.
alter table operational.appointment add column confidential boolean not null default false;
alter table operational.treatment_plan add column confidential boolean not null default false;

-- The family's role sees records where it sees the registration; of a dependent's not what is confidential.
do $$
declare t text;
begin
    foreach t in array array['appointment', 'form', 'treatment_plan'] loop
        execute format('create policy own_family on operational.%1$I for select to {family}
            using (exists (select from operational.registration as r
                           where r.clinic_id = %1$I.clinic_id and r.patient_id = %1$I.patient_id
                             and (not %1$I.confidential
                                  or r.person_id = (select operational.context_person()))))', t);
    end loop;
    foreach t in array array['form_template', 'consent_text'] loop
        execute format('create policy own_family on operational.%1$I for select to {family}
            using (exists (select from operational.registration as r where r.clinic_id = %1$I.clinic_id))', t);
    end loop;
    foreach t in array array['consent', 'consent_event'] loop
        execute format('create policy own_family on operational.%1$I for select to {family}
            using (person_id = (select operational.context_person())
                   or exists (select from operational.profile as p where p.person_id = %1$I.person_id))', t);
    end loop;
    foreach t in array array['form', 'form_answer', 'form_template', 'adherence'] loop
        execute format('create policy viewing on operational.%I for select to {viewer}
            using (clinic_id = (select operational.context_clinic()))', t);
    end loop;
end $$;
create policy own_family on operational.form_answer for select to {family}
    using (exists (select from operational.form as f
                   where f.clinic_id = form_answer.clinic_id and f.form_id = form_answer.form_id));
create policy own_family on operational.adherence for select to {family}
    using (exists (select from operational.treatment_plan as t
                   where t.clinic_id = adherence.clinic_id and t.plan_id = adherence.plan_id));
create policy everyone_of_family on operational.clinic for select to {family}, {viewer} using (true);
grant select on operational.appointment, operational.form, operational.form_answer, operational.form_template,
    operational.treatment_plan, operational.adherence, operational.consent, operational.consent_event,
    operational.consent_text, operational.clinic to {family};
grant select on operational.form, operational.form_answer, operational.form_template, operational.adherence,
    operational.clinic to {viewer};

-- How an account is reached and found, apart from the profile: a booking's contacts go here, and no clinic
-- sees them. Encrypted under the person's data keys.
create table operational.account_contact (
    person_id uuid primary key references operational.person,
    phone bytea,
    email bytea,
    phone_verified_at timestamptz,
    email_verified_at timestamptz,
    version bigint not null default 1,
    changed_at timestamptz not null default now()
);
alter table operational.account_contact owner to {owner};
alter table operational.account_contact enable row level security, force row level security;
create policy owner_all on operational.account_contact to {owner} using (true) with check (true);
create policy own on operational.account_contact to {service}
    using (person_id = (select operational.context_person()))
    with check (person_id = (select operational.context_person()));
create policy rotating on operational.account_contact to {rotator} using (true) with check (true);
create trigger refuse_delete before delete or truncate on operational.account_contact
    for each statement execute function operational.refuse_delete();
create trigger touch before update on operational.account_contact
    for each row when (to_regrole(quote_ident(current_user)) is distinct from to_regrole('{rotator}'))
    execute function operational.touch();
grant select, insert, update on operational.account_contact to {service};
grant select (person_id, version, phone, email), update (phone, email) on operational.account_contact to {rotator};
