-- Row-level security, grants, soft deletion and the outbox, for every table of the operational zone.

-- Version counters: a reload compares them, so that only changed rows move.
do $$
declare t text;
begin
    foreach t in array array['person', 'profile', 'registration', 'appointment', 'form', 'form_answer',
                             'treatment_plan', 'adherence'] loop
        execute format('create trigger touch before update on operational.%I
            for each row execute function operational.touch()', t);
    end loop;
    for t in select tablename from pg_tables where schemaname = 'operational' loop
        execute format('alter table operational.%I owner to {owner}', t);
        execute format('alter table operational.%I enable row level security, force row level security', t);
        if not exists (select from pg_policies
                       where schemaname = 'operational' and tablename = t and policyname = 'owner_all') then
            execute format('create policy owner_all on operational.%I to {owner} using (true) with check (true)', t);
        end if;
        if t <> 'outbox' then
            execute format('create trigger refuse_delete before delete or truncate on operational.%I
                for each statement execute function operational.refuse_delete()', t);
        end if;
    end loop;
end $$;

-- Clinical records and registrations: one clinic at a time, for the service by the
-- transaction's context, for clinic roles by who they are; for an import the clinics it names.
do $$
declare t text;
begin
    foreach t in array array['registration', 'appointment', 'form', 'form_answer', 'form_template',
                             'treatment_plan', 'adherence', 'consent', 'consent_event', 'consent_text',
                             'profile_tombstone'] loop
        execute format('create policy context on operational.%I to {service}
            using (clinic_id = (select operational.context_clinic()))
            with check (clinic_id = (select operational.context_clinic()))', t);
        execute format('create policy importing on operational.%I to {importer}
            using (clinic_id = any ((select operational.context_clinics())::integer[]))
            with check (clinic_id = any ((select operational.context_clinics())::integer[]))', t);
        execute format('create policy own on operational.%I for select to {builders}, {readers}
            using (clinic_id = (select operational.role_clinic()))', t);
        execute format('grant select on operational.%I to {service}, {importer}, {builders}', t);
        if t <> 'consent' then
            execute format('grant insert on operational.%I to {service}, {importer}', t);
        end if;
        if t not in ('consent_event', 'consent_text', 'form_template', 'consent') then
            execute format('grant update on operational.%I to {service}, {importer}', t);
        end if;
    end loop;
end $$;
grant select on operational.profile_tombstone to {readers};

-- The person's own view of their registrations and consents.
create policy own_person on operational.registration for select to {service}
    using (person_id = (select operational.context_person()));
create policy own_person on operational.consent for select to {service}
    using (person_id = (select operational.context_person()));
create policy own_person on operational.consent_event for select to {service}
    using (person_id = (select operational.context_person()));

-- Names: where the person is registered. Profiles: where, besides, a profile-sharing consent stands.
create policy registered on operational.person for select to {service}
    using (person_id = (select operational.context_person())
           or exists (select from operational.registration r
                      where r.person_id = person.person_id
                        and r.clinic_id = (select operational.context_clinic())
                        and r.deleted_at is null));
create policy registered_mart on operational.person for select to {builders}
    using (exists (select from operational.registration r
                   where r.person_id = person.person_id
                     and r.clinic_id = (select operational.role_clinic())
                     and r.deleted_at is null));
create policy consented on operational.profile for select to {service}
    using (person_id = (select operational.context_person())
           or exists (select from operational.consent c
                      where c.person_id = profile.person_id
                        and c.clinic_id = (select operational.context_clinic())
                        and c.purpose = 'profile_sharing' and c.state = 'signed' and c.occurred_at <= now()
                        and (c.expires_at is null or c.expires_at > now())));
create policy consented_mart on operational.profile for select to {builders}
    using (exists (select from operational.consent c
                   where c.person_id = profile.person_id
                     and c.clinic_id = (select operational.role_clinic())
                     and c.purpose = 'profile_sharing' and c.state = 'signed' and c.occurred_at <= now()
                     and (c.expires_at is null or c.expires_at > now())));
create policy own_profile on operational.profile for update to {service}
    using (person_id = (select operational.context_person()))
    with check (person_id = (select operational.context_person()));
create policy own_name on operational.person for update to {service}
    using (person_id = (select operational.context_person()))
    with check (person_id = (select operational.context_person()));
create policy newcomer on operational.person for insert to {service}
    with check ((select operational.context_clinic()) is not null
                or (select operational.context_person()) is not null);
create policy newcomer on operational.profile for insert to {service}
    with check ((select operational.context_clinic()) is not null
                or (select operational.context_person()) is not null);
create policy family on operational.guardianship to {service}
    using ((select operational.context_person()) in (guardian_id, dependent_id))
    with check ((select operational.context_person()) in (guardian_id, dependent_id));

grant select on operational.person, operational.profile, operational.guardianship to {service};
grant select on operational.person, operational.profile to {builders};
grant insert, update on operational.person, operational.profile, operational.guardianship to {service};

-- The importer is the one login that meets people before a clinic does: it finds them by source id.
do $$
declare t text;
begin
    foreach t in array array['person', 'profile', 'person_source', 'guardianship', 'import_batch'] loop
        execute format('create policy importing on operational.%I to {importer} using (true) with check (true)', t);
        execute format('grant select, insert, update on operational.%I to {importer}', t);
    end loop;
end $$;
create policy importing on operational.quarantine to {importer}
    using (clinic_id is null or clinic_id = any ((select operational.context_clinics())::integer[]))
    with check (clinic_id is null or clinic_id = any ((select operational.context_clinics())::integer[]));
create policy context on operational.quarantine for select to {service}
    using (clinic_id = (select operational.context_clinic()));
grant select, insert, update on operational.quarantine to {importer};
grant select on operational.quarantine to {service};

-- Identity is needed before a clinic is known; it holds no patient data.
do $$
declare t text;
begin
    foreach t in array array['principal', 'principal_role', 'api_key', 'session', 'issuer_key'] loop
        execute format('create policy identity on operational.%I to {service} using (true) with check (true)', t);
        execute format('grant select, insert, update on operational.%I to {service}', t);
    end loop;
    foreach t in array array['data_key', 'blind_index'] loop
        execute format('create policy keys on operational.%I to {service}, {importer} using (true) with check (true)', t);
        execute format('grant select, insert, update on operational.%I to {service}, {importer}', t);
    end loop;
end $$;
create policy asking on operational.provision_request to {service}, {importer} using (true) with check (true);

-- The outbox is filled by triggers alone, so that no change can forget it.
create policy own on operational.outbox to {builders}
    using (clinic_id = (select operational.role_clinic()));
grant select, delete on operational.outbox to {builders};

create function operational.note_clinical() returns trigger
language plpgsql security definer set search_path = ''
as $$ begin
    insert into operational.outbox (clinic_id, entity, patient_id)
    select distinct changed.clinic_id, tg_argv[0], changed.patient_id from changed;
    return null;
end $$;

create function operational.note_person() returns trigger
language plpgsql security definer set search_path = ''
as $$ begin
    insert into operational.outbox (clinic_id, entity, patient_id)
    select distinct r.clinic_id, 'patient', r.patient_id
    from changed inner join operational.registration as r on r.person_id = changed.person_id;
    return null;
end $$;

create function operational.note_consent() returns trigger
language plpgsql security definer set search_path = ''
as $$ begin
    insert into operational.outbox (clinic_id, entity, patient_id)
    select distinct r.clinic_id, 'patient', r.patient_id
    from changed
    inner join operational.registration as r
        on r.person_id = changed.person_id and r.clinic_id = changed.clinic_id;
    return null;
end $$;

-- Events add up to a state; a revocation raises the tombstone in the same transaction.
create function operational.apply_consent() returns trigger
language plpgsql security definer set search_path = ''
as $$ begin
    insert into operational.consent as c (clinic_id, person_id, purpose, state, event_id, occurred_at, expires_at)
    select distinct on (e.clinic_id, e.person_id, e.purpose)
        e.clinic_id, e.person_id, e.purpose, e.kind, e.event_id, e.occurred_at, e.expires_at
    from changed as e
    -- Of two events of one instant the revocation stands, whatever order they come in.
    order by e.clinic_id, e.person_id, e.purpose, e.occurred_at desc, (e.kind = 'revoked') desc, e.event_id
    on conflict (clinic_id, purpose, person_id) do update
        set state = excluded.state, event_id = excluded.event_id, occurred_at = excluded.occurred_at,
            expires_at = excluded.expires_at, version = c.version + 1
        where (excluded.occurred_at, excluded.state = 'revoked') > (c.occurred_at, c.state = 'revoked');
    -- Most imports revoke nothing: no join is worth starting for them.
    if exists (select from changed where kind = 'revoked' and purpose = 'profile_sharing') then
        insert into operational.profile_tombstone as t (clinic_id, patient_id, revoked_at)
        select distinct r.clinic_id, r.patient_id, c.occurred_at
        from changed as e
        inner join operational.consent as c
            on c.clinic_id = e.clinic_id and c.purpose = e.purpose and c.person_id = e.person_id
        inner join operational.registration as r on r.person_id = e.person_id and r.clinic_id = e.clinic_id
        where e.kind = 'revoked' and e.purpose = 'profile_sharing' and c.state = 'revoked'
        on conflict (clinic_id, patient_id) do update
            set revoked_at = excluded.revoked_at, recorded_at = excluded.recorded_at, cleared_at = null;
    end if;
    if exists (select from operational.profile_tombstone as t
               where t.cleared_at is null and t.clinic_id in (select clinic_id from changed)) then
        update operational.profile_tombstone as t set cleared_at = c.occurred_at
        from changed as e
        inner join operational.consent as c
            on c.clinic_id = e.clinic_id and c.purpose = e.purpose and c.person_id = e.person_id
        inner join operational.registration as r on r.person_id = e.person_id and r.clinic_id = e.clinic_id
        where t.clinic_id = r.clinic_id and t.patient_id = r.patient_id and t.cleared_at is null
            and e.kind = 'signed' and e.purpose = 'profile_sharing' and c.state = 'signed';
    end if;
    return null;
end $$;

create trigger a_state after insert on operational.consent_event referencing new table as changed
    for each statement execute function operational.apply_consent();
create trigger outbox_insert after insert on operational.consent_event referencing new table as changed
    for each statement execute function operational.note_consent();

do $$
declare
    target record;
    verb text;
begin
    for target in
        select * from (values
            ('person', 'note_person', ''), ('profile', 'note_person', ''),
            ('registration', 'note_clinical', 'patient'), ('appointment', 'note_clinical', 'appointment'),
            ('form', 'note_clinical', 'form'), ('form_answer', 'note_clinical', 'form'),
            ('treatment_plan', 'note_clinical', 'adherence'), ('adherence', 'note_clinical', 'adherence')
        ) as v (name, routine, entity)
    loop
        foreach verb in array array['insert', 'update'] loop
            execute format('create trigger outbox_%s after %s on operational.%I referencing new table as changed
                for each statement execute function operational.%I(%L)',
                verb, verb, target.name, target.routine, target.entity);
        end loop;
    end loop;
end $$;
