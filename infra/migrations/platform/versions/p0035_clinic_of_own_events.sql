-- What people do with their records of one clinic names that clinic, so that its auditors see it: theirs alone, of which
-- the family's role sees the registrations.
drop policy own_family on audit.access_event;
create policy own_family on audit.access_event for insert to {family}
    with check ((clinic_id is null
                 or exists (select from operational.registration as r where r.clinic_id = access_event.clinic_id))
                and occurred_at between now() - interval '5 minutes' and now() + interval '5 minutes');

-- Which runs and imports touched a clinic, the last first.
create index access_event_batches on audit.access_event (clinic_id, occurred_at) where batch_id is not null;
