-- The portable profile's history, when consents end by themselves, families, and who deleted what.

alter table operational.profile add column insurance_payer text;

-- What a profile said before each edit by the person or a guardian: sealed, append-only.
create table operational.profile_history (
    history_id uuid primary key,
    person_id uuid not null references operational.person,
    changed_by uuid not null references operational.person,
    changed_at timestamptz not null default clock_timestamp(),
    fields text[] not null check (cardinality(fields) > 0),
    previous bytea not null
);
create index profile_history_person on operational.profile_history (person_id, changed_at);
create policy own on operational.profile_history to {service}
    using (person_id = (select operational.context_person()))
    with check (person_id = (select operational.context_person())
                and changed_by = (select operational.context_actor()));
create policy rotating on operational.profile_history to {rotator} using (true) with check (true);
grant select, insert on operational.profile_history to {service};
grant select (history_id, previous), update (previous) on operational.profile_history to {rotator};
-- A contact that was taken out of a profile finds nobody any more.
grant delete on operational.blind_index to {service};

-- Ages of majority that are not 18; policies/guardianship.py names the sources.
create function operational.majority_age(country text) returns integer
language sql immutable
as $$ select case when country in ('DZ', 'KR') then 19 when country in ('NZ', 'TH') then 20
                  when country in ('EG', 'KW', 'SG') then 21 else 18 end $$;
alter function operational.majority_age(text) owner to {owner};
grant execute on function operational.majority_age(text) to {service}, {family};

alter table operational.guardianship
    add column majority_age smallint check (majority_age between 14 and 25),
    -- An adult's own agreement, or a court's: it began when the dependent was known to be of age, and ends by its date.
    add column agreed boolean not null default false,
    add column ended_by uuid,
    add column end_reason text,
    add check (ended_by is null or (end_reason is not null and ends_on is not null));

-- By the dependent's clinics, else the guardian's; of several the youngest age: the one that is of age decides.
create function operational.set_majority() returns trigger
language plpgsql security definer set search_path = ''
as $$ begin
    new.majority_age := coalesce(
        new.majority_age,
        (select min(operational.majority_age(k.country))
         from operational.registration as r inner join operational.clinic as k on k.clinic_id = r.clinic_id
         where r.person_id = new.dependent_id and r.deleted_at is null and k.country <> 'ZZ'),
        (select min(operational.majority_age(k.country))
         from operational.registration as r inner join operational.clinic as k on k.clinic_id = r.clinic_id
         where r.person_id = new.guardian_id and r.deleted_at is null and k.country <> 'ZZ'),
        operational.majority_age('ZZ'));
    if tg_op = 'INSERT' then
        new.agreed := new.agreed or exists (
            select from operational.profile as q
            where q.person_id = new.dependent_id
              and new.starts_on >= (q.birth_date + make_interval(years => new.majority_age))::date);
    end if;
    return new;
end $$;
alter function operational.set_majority() owner to {owner};
create trigger set_majority before insert or update of majority_age on operational.guardianship
    for each row execute function operational.set_majority();
-- A clinic that comes to know the dependent later can only lower the age.
create function operational.lower_majority() returns trigger
language plpgsql security definer set search_path = ''
as $$ begin
    update operational.guardianship as g set majority_age = n.age
    from (
        select r.person_id, min(operational.majority_age(k.country)) as age
        from changed as r inner join operational.clinic as k on k.clinic_id = r.clinic_id
        where r.deleted_at is null and k.country <> 'ZZ'
        group by r.person_id
    ) as n
    where g.dependent_id = n.person_id and g.majority_age > n.age;
    return null;
end $$;
alter function operational.lower_majority() owner to {owner};
create trigger lower_majority after insert on operational.registration referencing new table as changed
    for each statement execute function operational.lower_majority();
create trigger lower_majority_again after update on operational.registration referencing new table as changed
    for each statement execute function operational.lower_majority();
update operational.guardianship set majority_age = null;
update operational.guardianship as g set agreed = true
from operational.profile as q
where q.person_id = g.dependent_id
  and g.starts_on >= (q.birth_date + make_interval(years => g.majority_age))::date;
alter table operational.guardianship alter column majority_age set not null;

drop policy own_family on operational.profile;
create policy own_family on operational.profile for select to {family}
    using (person_id = (select operational.context_person())
           or exists (select from operational.guardianship as g
                      where g.dependent_id = profile.person_id
                        and g.guardian_id = (select operational.context_person())
                        and g.starts_on <= (now() at time zone 'UTC')::date
                        and (g.ends_on is null or g.ends_on > (now() at time zone 'UTC')::date)
                        and (g.agreed or profile.birth_date is null
                             or (now() at time zone 'UTC')::date
                                < (profile.birth_date + make_interval(years => g.majority_age))::date)));

-- People see who their guardians are, by name.
create policy own_guardians on operational.guardianship for select to {family}
    using (dependent_id = (select operational.context_person()));
create policy own_guardians on operational.person for select to {family}
    using (exists (select from operational.guardianship as g
                   where g.guardian_id = person.person_id and g.dependent_id = (select operational.context_person())));

-- An invitation to become a guardian. Whoever has the code redeems it: found by its hash before anybody
-- is known to belong to the dependent, as a session is.
create table operational.guardian_invitation (
    invitation_id uuid primary key,
    dependent_id uuid not null references operational.person,
    made_by uuid not null references operational.person,
    code_hash bytea not null unique check (length(code_hash) = 32),
    made_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null,
    redeemed_at timestamptz,
    redeemed_by uuid references operational.person,
    revoked_at timestamptz,
    check (expires_at > made_at and expires_at <= made_at + interval '8 days'),
    check ((redeemed_at is null) = (redeemed_by is null)),
    check (redeemed_at is null or revoked_at is null)
);
create index guardian_invitation_dependent on operational.guardian_invitation (dependent_id);
create policy presenting on operational.guardian_invitation for select to {service}
    using (dependent_id = (select operational.context_person())
           or encode(code_hash, 'hex') = (select current_setting('cloister.presented_code', true)));
create policy inviting on operational.guardian_invitation for insert to {service}
    with check (dependent_id = (select operational.context_person())
                and made_by = (select operational.context_actor()));
create policy redeeming on operational.guardian_invitation for update to {service}
    using (dependent_id = (select operational.context_person()))
    with check (dependent_id = (select operational.context_person()));
grant select, insert, update (redeemed_at, redeemed_by, revoked_at) on operational.guardian_invitation to {service};

-- Texts: from `required_from` on, a consent to an older one does not do.
alter table operational.consent_text add column required_from timestamptz,
    add check (required_from >= created_at);
alter table operational.clinic add column consent_grace_days integer not null default 90
    check (consent_grace_days between 0 and 3650);
grant select on operational.consent_text to {viewer};
create policy viewing on operational.consent_text for select to {viewer}
    using (clinic_id = (select operational.context_clinic()));

-- When a signature ends by itself: by its own end, by a newer text that is required, or, where a guardian signed,
-- a while after the person came of age. policies/consent.py says the same.
create function operational.consent_ends(
    of_clinic integer, of_person uuid, of_purpose text, of_version text, of_signer uuid, signed_at timestamptz,
    of_end timestamptz, out outdated_at timestamptz, out lapses_at timestamptz, out ends_at timestamptz)
language sql stable
as $$
    select o.outdated_at, l.lapses_at, least(of_end, o.outdated_at, l.lapses_at)
    from (
        select min(newer.required_from) as outdated_at
        from operational.consent_text as t
        inner join operational.consent_text as newer
            on newer.clinic_id = t.clinic_id and newer.purpose = t.purpose and newer.created_at > t.created_at
        where t.clinic_id = of_clinic and t.purpose = of_purpose and t.text_version = of_version
    ) as o
    cross join (
        select case when of_signer <> of_person and (signed_at at time zone 'UTC')::date < b.of_age
                    then (b.of_age + k.consent_grace_days)::timestamp at time zone 'UTC' end as lapses_at
        from operational.clinic as k
        left join lateral (
            select (q.birth_date + make_interval(years => operational.majority_age(k.country)))::date as of_age
            from operational.profile as q where q.person_id = of_person
        ) as b on true
        where k.clinic_id = of_clinic
    ) as l $$;
alter function operational.consent_ends(integer, uuid, text, text, uuid, timestamptz, timestamptz) owner to {owner};
grant execute on function operational.consent_ends(integer, uuid, text, text, uuid, timestamptz, timestamptz)
    to {service}, {family};

-- The state holds the end that counts, so that every wall and every load asks for it alone.
-- What ends depend on is held meanwhile: a text, a clinic's country or a birth date that is being changed is waited
-- for, and then counts; one that comes later finds the signature. Clinics before profiles, each in their order.
create or replace function operational.apply_consent() returns trigger
language plpgsql security definer set search_path = ''
as $$ begin
    perform from operational.clinic as k where k.clinic_id in (select clinic_id from changed)
    order by k.clinic_id for share;
    perform from operational.profile as q
    where q.person_id in (select person_id from changed where kind = 'signed' and signer_id <> person_id)
    order by q.person_id for share;
    insert into operational.consent as c (clinic_id, person_id, purpose, state, event_id, occurred_at, expires_at)
    select e.clinic_id, e.person_id, e.purpose, e.kind, e.event_id, e.occurred_at, n.ends_at
    from (
        select distinct on (e.clinic_id, e.person_id, e.purpose) e.*
        from changed as e
        -- Of two events of one instant the revocation stands, whatever order they come in.
        order by e.clinic_id, e.person_id, e.purpose, e.occurred_at desc, (e.kind = 'revoked') desc, e.event_id
    ) as e
    left join lateral operational.consent_ends(
        e.clinic_id, e.person_id, e.purpose, e.text_version, e.signer_id, e.occurred_at, e.expires_at
    ) as n on e.kind = 'signed'
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

-- What moves the end of consents that were signed already; null stands for all.
create function operational.settle_consents(of_clinic integer, of_person uuid) returns void
language sql security definer set search_path = ''
as $$
    with settled as (
        update operational.consent as c set expires_at = n.ends_at, version = c.version + 1
        from operational.consent_event as e
        cross join lateral operational.consent_ends(
            e.clinic_id, e.person_id, e.purpose, e.text_version, e.signer_id, e.occurred_at, e.expires_at
        ) as n
        where e.event_id = c.event_id and c.state = 'signed' and c.expires_at is distinct from n.ends_at
          and (of_clinic is null or c.clinic_id = of_clinic) and (of_person is null or c.person_id = of_person)
        returning c.clinic_id, c.person_id
    )
    insert into operational.outbox (clinic_id, entity, patient_id)
    select distinct r.clinic_id, 'patient', r.patient_id
    from settled as s inner join operational.registration as r
        on r.clinic_id = s.clinic_id and r.person_id = s.person_id $$;
alter function operational.settle_consents(integer, uuid) owner to {owner};

create function operational.settle_by_text() returns trigger
language plpgsql security definer set search_path = ''
as $$ begin
    -- A signature that is being written under an older text is waited for. Keys may be referred to all the while.
    perform from operational.clinic as k
    where k.clinic_id in (select clinic_id from changed where required_from is not null)
    order by k.clinic_id for no key update;
    perform operational.settle_consents(t.clinic_id, null)
    from (select distinct clinic_id from changed where required_from is not null) as t;
    return null;
end $$;
alter function operational.settle_by_text() owner to {owner};
create trigger settle after insert on operational.consent_text referencing new table as changed
    for each statement execute function operational.settle_by_text();

create function operational.settle_by_birth() returns trigger
language plpgsql security definer set search_path = ''
as $$ begin
    -- The profile is held by its update; the clinics' texts and countries stay as they are until the ends are moved.
    perform from operational.clinic as k
    where k.clinic_id in (select c.clinic_id from operational.consent as c where c.person_id = new.person_id)
    order by k.clinic_id for share;
    perform operational.settle_consents(null, new.person_id);
    return null;
end $$;
alter function operational.settle_by_birth() owner to {owner};
create trigger settle after update of birth_date on operational.profile
    for each row when (old.birth_date is distinct from new.birth_date) execute function operational.settle_by_birth();

create function operational.settle_by_clinic() returns trigger
language plpgsql security definer set search_path = ''
as $$ begin
    perform operational.settle_consents(new.clinic_id, null);
    return null;
end $$;
alter function operational.settle_by_clinic() owner to {owner};
create trigger settle after update of country, consent_grace_days on operational.clinic
    for each row execute function operational.settle_by_clinic();
select operational.settle_consents(null, null);

-- Only the person, or who is their guardian today, signs and revokes; imports have a rule of their own.
create policy own_or_guarded on operational.consent_event as restrictive for insert to {service}
    with check (person_id = (select operational.context_person())
                and (signer_id = person_id
                     or exists (select from operational.guardianship as g
                                left join operational.profile as q on q.person_id = g.dependent_id
                                where g.dependent_id = consent_event.person_id
                                  and g.guardian_id = consent_event.signer_id
                                  and g.starts_on <= (now() at time zone 'UTC')::date
                                  and (g.ends_on is null or g.ends_on > (now() at time zone 'UTC')::date)
                                  and (g.agreed or q.birth_date is null
                                       or (now() at time zone 'UTC')::date
                                          < (q.birth_date + make_interval(years => g.majority_age))::date))));

do $$
declare t text;
begin
    foreach t in array array['profile_history', 'guardian_invitation'] loop
        execute format('alter table operational.%I owner to {owner}', t);
        execute format('alter table operational.%I enable row level security, force row level security', t);
        execute format('create policy owner_all on operational.%I to {owner} using (true) with check (true)', t);
        execute format('create trigger refuse_delete before delete or truncate on operational.%I
            for each statement execute function operational.refuse_delete()', t);
    end loop;
end $$;

-- The messenger asks whose guardian somebody is today, as everybody does.
grant select (majority_age, agreed) on operational.guardianship to {messenger};
