-- A clinic's staff has a code sent for a patient without account and guardian: whoever answers it becomes that very
-- person's account. It says nothing of whose a booking was.
alter table operational.verification
    add column claims boolean not null default false check (clinic_id is not null or not claims);

-- What waits to be told of a patient who is merged goes to the one who is kept.
grant update (person_id, patient_id, about_id) on operational.message to {service};
