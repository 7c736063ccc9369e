-- What is hidden from guardians they see of themselves alone: in a dependent's log they do not see an event that names
-- both of them, whatever asks.
drop policy not_confidential on audit.access_event;
create policy not_confidential on audit.access_event as restrictive for select to {family}
    using (not 'confidential' = any (categories)
           or (coalesce(current_setting('cloister.log_of', true), '') in ('', 'own')
               and exists (select from audit.disclosure as d
                           inner join operational.registration as r
                               on r.clinic_id = d.clinic_id and r.patient_id = d.patient_id
                           where d.event_id = access_event.event_id and d.occurred_at = access_event.occurred_at
                             and r.person_id = (select operational.context_person()))));
