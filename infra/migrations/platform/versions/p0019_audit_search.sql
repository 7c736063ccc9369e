-- What an event still lacked: for whom its principal asks. A clinic's slug, `the platform`, or null for people
-- themselves.
alter table audit.access_event add column organisation text;
grant select (organisation) on audit.access_event to {family};

-- Grain: one row per patient whose rows an event of the pipeline moved, and of which asset. Such an event names its
-- batch, however many patients that is; this says who they are.
create table audit.batch_patient (
    event_id uuid not null,
    occurred_at timestamptz not null,
    clinic_id integer not null,
    patient_id uuid not null,
    asset text not null
) partition by range (occurred_at);
create index batch_patient_patient on audit.batch_patient (patient_id, occurred_at);
-- All rows of one event have its time: who is in a batch is found by that.
create index batch_patient_time on audit.batch_patient using brin (occurred_at);
create index access_event_batch on audit.access_event (batch_id) where batch_id is not null;

alter table audit.batch_patient enable row level security, force row level security;
create policy owner_all on audit.batch_patient to {owner} using (true) with check (true);
create trigger append_only before update or delete on audit.batch_patient
    for each row execute function audit.refuse_change();
create policy own on audit.batch_patient for insert to {builders}
    with check (clinic_id = (select operational.role_clinic())
                and occurred_at between now() - interval '5 minutes' and now() + interval '5 minutes');
create policy auditing on audit.batch_patient for select to {auditor}
    using (current_setting('cloister.audit_scope', true) = 'platform'
           or clinic_id = (select operational.context_clinic()));
create policy reading_own on audit.batch_patient for select to {family}
    using (exists (select from operational.registration as r
                   where r.clinic_id = batch_patient.clinic_id and r.patient_id = batch_patient.patient_id));
grant insert on audit.batch_patient to {builders};
grant select on audit.batch_patient to {auditor};
grant select (event_id, occurred_at, clinic_id, patient_id, asset) on audit.batch_patient to {family};

-- A patient's id is one clinic's alone, so it finds their rows by itself, whichever clinics the auditor may see.
drop index audit.disclosure_patient;
create index disclosure_patient on audit.disclosure (patient_id, occurred_at);

-- What is searched for most beside a clinic's week: one kind of access, and what was denied.
create index access_event_action on audit.access_event (action, occurred_at);
create index access_event_denied on audit.access_event (clinic_id, occurred_at) where decision = 'deny';
