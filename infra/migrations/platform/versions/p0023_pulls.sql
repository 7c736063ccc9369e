-- Whom a pull of a segment disclosed: a row for many patients, since one for each costs more than the pull itself.

-- Grain: one row per event and the first three hexadecimal digits of its patients' ids. They are what a patient is found
-- by: ids are random, so each has a 4096th of the patients; and an index over the ids themselves would serve no role
-- under row-level security, as only comparing whole values is known to leak nothing.
create table audit.disclosure_chunk (
    event_id uuid not null,
    occurred_at timestamptz not null,
    clinic_id integer not null,
    prefix text not null check (length(prefix) = 3),
    patients uuid[] not null
) partition by range (occurred_at);
create index disclosure_chunk_prefix on audit.disclosure_chunk (prefix, clinic_id, occurred_at);
create index disclosure_chunk_event on audit.disclosure_chunk (event_id);

alter table audit.disclosure_chunk owner to {owner};
alter table audit.disclosure_chunk enable row level security, force row level security;
create policy owner_all on audit.disclosure_chunk to {owner} using (true) with check (true);
create trigger append_only before update or delete on audit.disclosure_chunk
    for each row execute function audit.refuse_change();
create policy own on audit.disclosure_chunk for insert to {readers}
    with check (clinic_id = (select operational.role_clinic()));
create policy auditing on audit.disclosure_chunk for select to {auditor}
    using (current_setting('cloister.audit_scope', true) = 'platform'
           or clinic_id = (select operational.context_clinic()));
create policy sealing on audit.disclosure_chunk for select to {sealer} using (true);
-- Without a guardianship named in the context, of anybody in the family; with one, of that dependent; `own` is oneself.
-- The first condition is implied by the second; it is what an index serves.
create policy reading_own on audit.disclosure_chunk for select to {family}
    using (prefix = any (array(
               select left(r.patient_id::text, 3) from operational.registration as r
               where r.person_id = any (array(
                   select operational.context_person()
                   union all
                   select g.dependent_id from operational.guardianship as g
                   where g.guardian_id = (select operational.context_person())))))
           and exists (select from operational.registration as r
                       where r.clinic_id = disclosure_chunk.clinic_id
                         and r.patient_id = any (disclosure_chunk.patients)
                         and case coalesce(current_setting('cloister.log_of', true), '')
                             when '' then true
                             when 'own' then r.person_id = (select operational.context_person())
                             else exists (select from operational.guardianship as g
                                          where g.dependent_id = r.person_id
                                            and g.guardianship_id::text = current_setting('cloister.log_of', true))
                             end));
grant insert on audit.disclosure_chunk to {readers};
grant select on audit.disclosure_chunk to {auditor}, {sealer};
-- Not the patients: a row of theirs names others too.
grant select (event_id, occurred_at, clinic_id, prefix) on audit.disclosure_chunk to {family};

drop policy reading_own on audit.access_event;
create policy reading_own on audit.access_event for select to {family}
    using (acting_for = (select operational.context_person())
           or exists (select from operational.profile as p where p.person_id = access_event.acting_for)
           or exists (select from audit.disclosure as d
                      where d.event_id = access_event.event_id and d.occurred_at = access_event.occurred_at)
           or exists (select from audit.disclosure_chunk as c
                      where c.event_id = access_event.event_id and c.occurred_at = access_event.occurred_at));

-- Grain: one row per patient disclosed by one event, in whichever form that was recorded.
create view audit.disclosed with (security_invoker = true) as
    select event_id, occurred_at, clinic_id, patient_id from audit.disclosure
    union all
    select c.event_id, c.occurred_at, c.clinic_id, p.patient_id
    from audit.disclosure_chunk as c cross join lateral unnest(c.patients) as p (patient_id)
    -- Searches go by the prefix: who stands under another one would be found by none, and is in no sealed line.
    where c.prefix = left(p.patient_id::text, 3);
alter view audit.disclosed owner to {owner};
grant select on audit.disclosed to {auditor}, {sealer};
