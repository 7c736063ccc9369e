-- Reading one person's profile: the role that does it, and who treats whom.

-- Whom a clinic's records mean by the name of a specialist. One account a name; a name given to
-- another account later moves, with the time it moved.
create table operational.specialist_name (
    clinic_id integer not null references operational.clinic,
    name text not null check (length(name) between 1 and 200),
    principal_id uuid not null references operational.principal,
    linked_at timestamptz not null default now(),
    unlinked_at timestamptz,
    primary key (clinic_id, name)
);
create index specialist_name_principal on operational.specialist_name (clinic_id, principal_id);
create trigger refuse_delete before delete or truncate on operational.specialist_name
    for each statement execute function operational.refuse_delete();
alter table operational.specialist_name owner to {owner};
alter table operational.specialist_name enable row level security, force row level security;
create policy owner_all on operational.specialist_name to {owner} using (true) with check (true);
create policy context on operational.specialist_name to {service}
    using (clinic_id = (select operational.context_clinic()))
    with check (clinic_id = (select operational.context_clinic()));
grant select, insert, update on operational.specialist_name to {service};

-- The viewer owns nothing, writes nothing but the log, and sees one clinic or one person's own
-- family: what the transaction's context names. With both set it sees a clinic and no family.
grant usage on schema operational, audit to {viewer};
grant execute on function operational.context_clinic(), operational.context_person() to {viewer};

create function operational.viewing_person() returns uuid
language sql stable
as $$ select case when operational.context_clinic() is null then operational.context_person() end $$;
grant execute on function operational.viewing_person() to {viewer};

do $$
declare t text;
begin
    foreach t in array array['registration', 'appointment', 'treatment_plan', 'consent', 'profile_tombstone',
                             'specialist_name'] loop
        execute format('create policy viewing on operational.%I for select to {viewer}
            using (clinic_id = (select operational.context_clinic()))', t);
    end loop;
end $$;
create policy viewing on operational.guardianship for select to {viewer}
    using (guardian_id = (select operational.viewing_person()));

-- A profile: where it is shared with the clinic; one's own; and that of whom one is a guardian of today. A
-- guardianship ends on its last day, and on the day the dependent comes of age (policies/guardianship.py).
create policy viewing on operational.profile for select to {viewer}
    using (person_id = (select operational.viewing_person())
           or exists (select from operational.consent as c
                      where c.person_id = profile.person_id
                        and c.clinic_id = (select operational.context_clinic())
                        and c.purpose = 'profile_sharing' and c.state = 'signed' and c.occurred_at <= now()
                        and (c.expires_at is null or c.expires_at > now()))
           or exists (select from operational.guardianship as g
                      where g.dependent_id = profile.person_id
                        and g.guardian_id = (select operational.viewing_person())
                        and g.starts_on <= (now() at time zone 'UTC')::date
                        and (g.ends_on is null or g.ends_on > (now() at time zone 'UTC')::date)
                        and (profile.birth_date is null
                             or (now() at time zone 'UTC')::date < (profile.birth_date + interval '18 years')::date
                             or g.starts_on >= (profile.birth_date + interval '18 years')::date)));

-- A name: of whoever is registered at the clinic; in the family, of those whose profile may be seen.
create policy viewing on operational.person for select to {viewer}
    using (exists (select from operational.registration as r
                   where r.person_id = person.person_id and r.deleted_at is null
                     and r.clinic_id = (select operational.context_clinic()))
           or person_id = (select operational.viewing_person())
           or ((select operational.viewing_person()) is not null
               and exists (select from operational.profile as p where p.person_id = person.person_id)));
create policy viewing_family on operational.registration for select to {viewer}
    using (person_id = (select operational.viewing_person())
           or ((select operational.viewing_person()) is not null
               and exists (select from operational.profile as p where p.person_id = registration.person_id)));

-- Keys open only what may be seen.
create policy viewing on operational.data_key for select to {viewer}
    using (exists (select from operational.profile as p where p.person_id = data_key.person_id));

grant select on operational.registration, operational.appointment, operational.treatment_plan, operational.consent,
    operational.profile_tombstone, operational.specialist_name, operational.guardianship, operational.profile,
    operational.person, operational.data_key to {viewer};

-- Its events are of the clinic it reads for, or of none.
create policy viewing on audit.access_event for insert to {viewer}
    with check (clinic_id is not distinct from (select operational.context_clinic())
                and occurred_at between now() - interval '5 minutes' and now() + interval '5 minutes');
create policy viewing on audit.disclosure for insert to {viewer}
    with check (clinic_id = (select operational.context_clinic()));
grant insert on audit.access_event, audit.disclosure to {viewer};

-- Who read me: of my family's disclosures when, where, in which role and for what; not by whom.
create policy reading_own on audit.disclosure for select to {viewer}
    using ((select operational.viewing_person()) is not null
           and exists (select from operational.registration as r
                       where r.clinic_id = disclosure.clinic_id and r.patient_id = disclosure.patient_id));
create policy reading_own on audit.access_event for select to {viewer}
    using ((select operational.viewing_person()) is not null
           and (acting_for = (select operational.viewing_person())
                or exists (select from operational.profile as p where p.person_id = access_event.acting_for)
                or exists (select from audit.disclosure as d
                           where d.event_id = access_event.event_id and d.occurred_at = access_event.occurred_at)));
grant select (event_id, occurred_at, clinic_id, patient_id) on audit.disclosure to {viewer};
grant select (event_id, occurred_at, clinic_id, role, action, purpose, categories, decision, acting_for)
    on audit.access_event to {viewer};
create index access_event_acting_for on audit.access_event (acting_for, occurred_at) where acting_for is not null;
