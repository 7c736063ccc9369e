-- From when until when a clinic may see a profile, for the reads of its mart: these see no consent and no person, and a
-- mart may be behind. What a mart was copied by counts until one of its sources says something else here.

-- Grain: what one source says of one patient: a consent that has changed since it was first given, or a mark of deletion
-- that was set or taken away. Each source has a row of its own, so that whoever writes one overwrites no other.
create table operational.sharing_limit (
    clinic_id integer not null,
    patient_id uuid not null,
    source text not null check (source in ('consent', 'registration', 'person')),
    starts_at timestamptz,
    ends_at timestamptz,
    -- Just before the commit that every read goes by from then on.
    changed_at timestamptz not null default clock_timestamp(),
    primary key (clinic_id, patient_id, source),
    foreign key (clinic_id, patient_id) references operational.registration (clinic_id, patient_id)
);
alter table operational.sharing_limit owner to {owner};
alter table operational.sharing_limit enable row level security, force row level security;
create policy owner_all on operational.sharing_limit to {owner} using (true) with check (true);
create policy own on operational.sharing_limit for select to {builders}, {readers}
    using (clinic_id = (select operational.role_clinic()));
grant select on operational.sharing_limit to {builders}, {readers};
create trigger refuse_delete before delete or truncate on operational.sharing_limit
    for each statement execute function operational.refuse_delete();

create function operational.limit_by_consent() returns trigger
language plpgsql security definer set search_path = ''
as $$ begin
    insert into operational.sharing_limit as l (clinic_id, patient_id, source, starts_at, ends_at)
    select r.clinic_id, r.patient_id, 'consent', c.occurred_at,
        case when c.state = 'signed' then c.expires_at else least(c.occurred_at, clock_timestamp()) end
    from changed as c
    inner join operational.registration as r on r.clinic_id = c.clinic_id and r.person_id = c.person_id
    -- What is signed for the first time limits nothing: before that nothing was shared.
    where c.purpose = 'profile_sharing' and (tg_op = 'UPDATE' or c.state = 'revoked')
    on conflict (clinic_id, patient_id, source) do update
        set starts_at = excluded.starts_at, ends_at = excluded.ends_at, changed_at = excluded.changed_at
        where (l.starts_at, l.ends_at) is distinct from (excluded.starts_at, excluded.ends_at);
    return null;
end $$;
alter function operational.limit_by_consent() owner to {owner};
create trigger limit_sharing_first after insert on operational.consent referencing new table as changed
    for each statement execute function operational.limit_by_consent();
create trigger limit_sharing after update on operational.consent referencing new table as changed
    for each statement execute function operational.limit_by_consent();

create function operational.limit_by_deletion() returns trigger
language plpgsql security definer set search_path = ''
as $$ begin
    insert into operational.sharing_limit as l (clinic_id, patient_id, source, ends_at)
    select r.clinic_id, r.patient_id, tg_table_name,
        case when new.deleted_at is not null then least(new.deleted_at, clock_timestamp()) end
    from operational.registration as r
    where r.person_id = new.person_id
        and (tg_table_name = 'person' or r.clinic_id = (to_jsonb(new) ->> 'clinic_id')::integer
            and r.patient_id = (to_jsonb(new) ->> 'patient_id')::uuid)
    on conflict (clinic_id, patient_id, source) do update
        set ends_at = excluded.ends_at, changed_at = excluded.changed_at;
    return null;
end $$;
alter function operational.limit_by_deletion() owner to {owner};
do $$
declare t text;
begin
    foreach t in array array['registration', 'person'] loop
        execute format('create trigger limit_sharing after update of deleted_at on operational.%I for each row
            when (old.deleted_at is distinct from new.deleted_at)
            execute function operational.limit_by_deletion()', t);
    end loop;
end $$;

-- What marts may be behind of today.
insert into operational.sharing_limit (clinic_id, patient_id, source, starts_at, ends_at)
select r.clinic_id, r.patient_id, 'consent', c.occurred_at,
    case when c.state = 'signed' then c.expires_at else least(c.occurred_at, clock_timestamp()) end
from operational.consent as c
inner join operational.registration as r on r.clinic_id = c.clinic_id and r.person_id = c.person_id
where c.purpose = 'profile_sharing' and (c.state = 'revoked' or c.expires_at is not null)
union all
select r.clinic_id, r.patient_id, s.source, null, least(s.deleted_at, clock_timestamp())
from operational.registration as r
inner join operational.person as p on p.person_id = r.person_id
cross join lateral (values ('registration', r.deleted_at), ('person', p.deleted_at)) as s (source, deleted_at)
where s.deleted_at is not null;

-- For the operator: of how many the receipt is due; of whom, is for the clinic's builder alone.
grant select (clinic_id, done_at) on operational.consent_propagation to {readers};
create policy counting on operational.consent_propagation for select to {readers}
    using (clinic_id = (select operational.role_clinic()));
