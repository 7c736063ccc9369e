-- Rows of the log are written when they say they were: none is dated back, and none joins an event of before, whose
-- line is sealed.
do $$
declare t text;
begin
    for t in select c.relname from pg_class as c
             where c.relnamespace = 'audit'::regnamespace and c.relkind = 'p' loop
        execute format('create policy at_its_time on audit.%I as restrictive for insert
            with check (occurred_at in (statement_timestamp(), transaction_timestamp()))', t);
    end loop;
end $$;

-- Two events of one id have two times, and are two leaves: the id alone would stop the sealer for good.
-- `clinic_number` counts a clinic's own events from 1, and is part of their lines: in its export none can be missing
-- from between the others. Leaves from before this revision have none, nor a digest of their batch.
alter table audit.leaf
    drop constraint leaf_stream_event_id_key,
    add unique (stream, event_id, occurred_at),
    add column clinic_id integer,
    add column clinic_number bigint;
create unique index leaf_of_clinic on audit.leaf (clinic_id, clinic_number) where clinic_number is not null;

-- The line of an event of the pipeline holds a digest of the patients whose rows it moved.
grant select on audit.batch_patient to {sealer};
create policy sealing on audit.batch_patient for select to {sealer} using (true);
create index batch_patient_event on audit.batch_patient (event_id);
drop index audit.batch_patient_time;

-- Whom the pipeline moved gets a proof of it. A day's line names no item, and one that is confidential may be behind
-- it: guardians do not see it.
create policy reading_batches on audit.leaf for select to {family}
    using (stream = 'access' and exists (select from audit.batch_patient as b
                                         where b.event_id = leaf.event_id and b.occurred_at = leaf.occurred_at));
drop policy reading_own on audit.batch_patient;
create policy reading_own on audit.batch_patient for select to {family}
    using (exists (select from operational.registration as r
                   where r.clinic_id = batch_patient.clinic_id and r.patient_id = batch_patient.patient_id
                     and r.person_id = (select operational.context_person())));
