-- Walls that stood in the statements alone: deletions end profiles, digests go one person at a time, a deletion says by
-- whom and why, guardianships follow their clinics' country.

-- A profile shows where a consent stands and the person is a patient still.
alter policy consented on operational.profile
    using (person_id = (select operational.context_person())
           or exists (select from operational.consent as c
                      inner join operational.registration as r
                          on r.person_id = c.person_id and r.clinic_id = c.clinic_id and r.deleted_at is null
                      where c.person_id = profile.person_id
                        and c.clinic_id = (select operational.context_clinic())
                        and c.purpose = 'profile_sharing' and c.state = 'signed' and c.occurred_at <= now()
                        and (c.expires_at is null or c.expires_at > now())));
alter policy viewing on operational.profile
    using (exists (select from operational.consent as c
                   inner join operational.registration as r
                       on r.person_id = c.person_id and r.clinic_id = c.clinic_id and r.deleted_at is null
                   where c.person_id = profile.person_id
                     and c.clinic_id = (select operational.context_clinic())
                     and c.purpose = 'profile_sharing' and c.state = 'signed' and c.occurred_at <= now()
                     and (c.expires_at is null or c.expires_at > now())));

-- Contacts are looked up before anybody is known to be behind them; forgotten they are by who has them.
create policy forgetting on operational.blind_index as restrictive for delete to {service}
    using (person_id = (select operational.context_person()));

-- Not valid: what was deleted before may lack it, and stays as it is.
do $$
declare t text;
begin
    for t in select table_name from information_schema.columns
             where table_schema = 'operational' and column_name = 'delete_reason' loop
        execute format('alter table operational.%I add constraint deleted_by_whom_and_why
            check (deleted_at is null or (deleted_by is not null and delete_reason is not null)) not valid', t);
    end loop;
end $$;

-- A clinic whose country is another has its consents settled, and the guardianships of its patients, or where these are
-- of no clinic, of their guardians. Access that has ended stays ended.
create or replace function operational.settle_by_clinic() returns trigger
language plpgsql security definer set search_path = ''
as $$ begin
    perform operational.settle_consents(new.clinic_id, null);
    if new.country is distinct from old.country then
        update operational.guardianship as g set majority_age = null
        where exists (select from operational.registration as r
                      where r.clinic_id = new.clinic_id and r.person_id in (g.dependent_id, g.guardian_id))
          and not exists (select from operational.profile as q
                          where q.person_id = g.dependent_id
                            and (now() at time zone 'UTC')::date
                                >= (q.birth_date + make_interval(years => g.majority_age))::date);
    end if;
    return null;
end $$;
