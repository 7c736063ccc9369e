-- Reading one person's profile: the two roles that do it, and who treats whom.

-- Whom a clinic's records mean by the name of a specialist: one account a name.
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

-- Both roles own nothing and write nothing but the log. Their plans are made once and kept: a role
-- a clinic would have each statement planned anew whenever the clinic changes.
grant usage on schema operational, audit to {viewer}, {family};

-- The viewer sees one clinic: its register and records, names, and profiles that are shared with it.
grant execute on function operational.context_clinic() to {viewer};
do $$
declare t text;
begin
    foreach t in array array['registration', 'appointment', 'treatment_plan', 'consent', 'profile_tombstone',
                             'specialist_name'] loop
        execute format('create policy viewing on operational.%I for select to {viewer}
            using (clinic_id = (select operational.context_clinic()))', t);
        execute format('grant select on operational.%I to {viewer}', t);
    end loop;
end $$;
create policy viewing on operational.person for select to {viewer}
    using (exists (select from operational.registration as r
                   where r.person_id = person.person_id and r.deleted_at is null
                     and r.clinic_id = (select operational.context_clinic())));
create policy viewing on operational.profile for select to {viewer}
    using (exists (select from operational.consent as c
                   where c.person_id = profile.person_id
                     and c.clinic_id = (select operational.context_clinic())
                     and c.purpose = 'profile_sharing' and c.state = 'signed' and c.occurred_at <= now()
                     and (c.expires_at is null or c.expires_at > now())));

-- The family's role sees a person and whom they are a guardian of today: their profiles, and at
-- which clinics they are patients. A guardianship ends on its last day, and on the day the
-- dependent comes of age (policies/guardianship.py says the same).
grant execute on function operational.context_person() to {family};
create policy own_family on operational.guardianship for select to {family}
    using (guardian_id = (select operational.context_person()));
create policy own_family on operational.profile for select to {family}
    using (person_id = (select operational.context_person())
           or exists (select from operational.guardianship as g
                      where g.dependent_id = profile.person_id
                        and g.guardian_id = (select operational.context_person())
                        and g.starts_on <= (now() at time zone 'UTC')::date
                        and (g.ends_on is null or g.ends_on > (now() at time zone 'UTC')::date)
                        and (profile.birth_date is null
                             or (now() at time zone 'UTC')::date < (profile.birth_date + interval '18 years')::date
                             or g.starts_on >= (profile.birth_date + interval '18 years')::date)));
create policy own_family on operational.person for select to {family}
    using (person_id = (select operational.context_person())
           or exists (select from operational.profile as p where p.person_id = person.person_id));
create policy own_family on operational.registration for select to {family}
    using (person_id = (select operational.context_person())
           or exists (select from operational.profile as p where p.person_id = registration.person_id));
grant select on operational.guardianship, operational.registration to {family};

-- A wrapped key opens nothing but its person's own ciphertexts, which the profile's policies guard.
create policy viewing on operational.data_key for select to {viewer}, {family} using (person_id is not null);
grant select on operational.person, operational.profile, operational.data_key to {viewer}, {family};

-- Their events are of the clinic they read for, or of none.
grant insert on audit.access_event to {viewer}, {family};
grant insert on audit.disclosure to {viewer};
create policy viewing on audit.access_event for insert to {viewer}
    with check (clinic_id = (select operational.context_clinic())
                and occurred_at between now() - interval '5 minutes' and now() + interval '5 minutes');
create policy own_family on audit.access_event for insert to {family}
    with check (clinic_id is null
                and occurred_at between now() - interval '5 minutes' and now() + interval '5 minutes');
create policy viewing on audit.disclosure for insert to {viewer}
    with check (clinic_id = (select operational.context_clinic()));

-- Who read me: when, where, in which role and for what my family's data was shown; not by whom.
create policy reading_own on audit.disclosure for select to {family}
    using (exists (select from operational.registration as r
                   where r.clinic_id = disclosure.clinic_id and r.patient_id = disclosure.patient_id));
create policy reading_own on audit.access_event for select to {family}
    using (acting_for = (select operational.context_person())
           or exists (select from operational.profile as p where p.person_id = access_event.acting_for)
           or exists (select from audit.disclosure as d
                      where d.event_id = access_event.event_id and d.occurred_at = access_event.occurred_at));
grant select (event_id, occurred_at, clinic_id, patient_id) on audit.disclosure to {family};
grant select (event_id, occurred_at, clinic_id, role, action, purpose, categories, decision, acting_for)
    on audit.access_event to {family};
create index access_event_acting_for on audit.access_event (acting_for, occurred_at) where acting_for is not null;
