-- A text that an import brought says what was signed elsewhere. What is signed here is the clinic's own, so it is offered
-- to nobody, however late it came.
alter table operational.consent_text add column imported boolean not null default false;
update operational.consent_text as t set imported = true
where t.text_version <> 'standard-1'
    and exists (select from operational.consent_event as e
                where (e.clinic_id, e.purpose, e.text_version) = (t.clinic_id, t.purpose, t.text_version))
    and not exists (select from operational.consent_event as e
                    where (e.clinic_id, e.purpose, e.text_version) = (t.clinic_id, t.purpose, t.text_version)
                        and e.channel = 'app');
create policy of_imports on operational.consent_text as restrictive for insert to {importer} with check (imported);
create policy of_clinics on operational.consent_text as restrictive for insert to {service} with check (not imported);
