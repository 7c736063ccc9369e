-- A shorter signature took the place of a revocation of the same instant that was recorded before it. Of two events of one
-- instant, whatever order they come in, the revocation stands, and of two signatures the one that ends sooner.
-- policies/consent.py says the same.
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
        order by e.clinic_id, e.person_id, e.purpose, e.occurred_at desc, (e.kind = 'revoked') desc, e.expires_at,
            e.event_id
    ) as e
    left join lateral operational.consent_ends(
        e.clinic_id, e.person_id, e.purpose, e.text_version, e.signer_id, e.occurred_at, e.expires_at
    ) as n on e.kind = 'signed'
    on conflict (clinic_id, purpose, person_id) do update
        set state = excluded.state, event_id = excluded.event_id, occurred_at = excluded.occurred_at,
            expires_at = excluded.expires_at, version = c.version + 1
        where (excluded.occurred_at, excluded.state = 'revoked') > (c.occurred_at, c.state = 'revoked')
            -- By their own ends: what else ends them may move.
            or (excluded.occurred_at, excluded.state, c.state) = (c.occurred_at, 'signed', 'signed')
                and (select e.expires_at from operational.consent_event as e where e.event_id = excluded.event_id)
                    < coalesce((select e.expires_at from operational.consent_event as e where e.event_id = c.event_id),
                               'infinity');
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

-- Where it did, the revocation stands again, and the marts are told.
with mended as (
    update operational.consent as c
    set state = 'revoked', event_id = e.event_id, expires_at = null, version = c.version + 1
    from operational.consent_event as e
    where c.state = 'signed' and e.kind = 'revoked' and e.occurred_at = c.occurred_at
        and (e.clinic_id, e.person_id, e.purpose) = (c.clinic_id, c.person_id, c.purpose)
    returning c.clinic_id, c.person_id, c.purpose, c.event_id, c.occurred_at
),
of_patients as (
    select r.clinic_id, r.patient_id, m.purpose, m.event_id, m.occurred_at
    from mended as m inner join operational.registration as r using (clinic_id, person_id)
),
told as (
    insert into operational.outbox (clinic_id, entity, patient_id)
    select distinct clinic_id, 'patient', patient_id from of_patients
),
raised as (
    insert into operational.profile_tombstone as t (clinic_id, patient_id, revoked_at)
    select clinic_id, patient_id, occurred_at from of_patients where purpose = 'profile_sharing'
    on conflict (clinic_id, patient_id) do update
        set revoked_at = excluded.revoked_at, recorded_at = excluded.recorded_at, cleared_at = null
)
insert into operational.consent_propagation (clinic_id, patient_id, consent_event_id, kind)
select clinic_id, patient_id, event_id, 'revoked' from of_patients where purpose = 'profile_sharing';
