-- An admin says on a clinic's page how long what a guardian signed stands; nothing else of a clinic is changed there.
grant update (consent_grace_days) on operational.clinic to {service};
create policy keeping on operational.clinic for update to {service}
    using (clinic_id = (select operational.context_clinic()))
    with check (clinic_id = (select operational.context_clinic()));
