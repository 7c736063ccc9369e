-- What most rules ask of the two largest tables stands in their keys' indexes: a large clinic is read along these, in the
-- order of patients, and needs no look at the rows wherever a vacuum has been since they changed. Nothing of free text,
-- which an index refuses if it is long. Of exercises it takes no room: an entry is as long for its alignment.
-- The clinic's lock first, as everybody who writes its mart: a unit of the live worker has one of these tables and wants the other.
select pg_advisory_xact_lock(hashtextextended('cloister.clinic.' || substr(current_schema(), length('clinic_') + 1), 0));
alter table raw_appointments
    drop constraint raw_appointments_pkey,
    add primary key (patient_id, appointment_id) include (starts_on, status);
alter table raw_adherence
    drop constraint raw_adherence_pkey,
    add primary key (patient_id, plan_id, day) include (prescribed, done);
