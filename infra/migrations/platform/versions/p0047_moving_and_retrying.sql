-- The last day that had begun by a time zone that the clinic had before: its members may stand for it still, and go back
-- to the day that it is there now.
alter table operational.clinic add column day_before_moving date;

-- Who works out a day by a clinic's time zone holds it: a change of the zone waits for them, and they for it. To be asked
-- for in a statement of its own, since the next one sees what has committed meanwhile.
create function operational.hold_days(clinic integer) returns void
language sql volatile
as $$ select pg_advisory_xact_lock_shared(hashtextextended('cloister.days.' || clinic, 0)) $$;
-- The same for who answers somebody: a change takes minutes in a large clinic, and the connection is everybody's.
create function operational.hold_days_soon(clinic integer) returns void
language sql volatile set lock_timeout = '2s'
as $$ select pg_advisory_xact_lock_shared(hashtextextended('cloister.days.' || clinic, 0)) $$;
create function operational.hold_days_alone(clinic integer) returns void
language sql volatile
as $$ select pg_advisory_xact_lock(hashtextextended('cloister.days.' || clinic, 0)) $$;
grant execute on function operational.hold_days(integer) to {importer};
grant execute on function operational.hold_days_soon(integer) to {service};
grant execute on function operational.hold_days_alone(integer) to {owner};

-- What lies on another day now is changed like by anybody: versions and the outbox bring it into the mart. A day that the
-- source gave beside its instant stays; the instant of a booking is not kept, so that its day moves no farther than needed.
-- Of forms, those that are open on a day between the clocks, from the first of the move's moments to the last.
create function operational.move_days(
    of_clinic integer, old_zone text, new_zone text, earliest timestamptz, latest timestamptz
) returns void
language sql volatile set search_path = ''
as $$
    update operational.appointment as a
    set starts_on = (a.starts_at at time zone new_zone)::date,
        booked_on = least(a.booked_on, (a.starts_at at time zone new_zone)::date)
    where a.clinic_id = of_clinic and a.starts_on = (a.starts_at at time zone old_zone)::date
      and a.starts_on <> (a.starts_at at time zone new_zone)::date;
    update operational.form as f set completed_at = f.completed_at
    where f.clinic_id = of_clinic
      and ((f.completed_at at time zone old_zone)::date <> (f.completed_at at time zone new_zone)::date
           or f.status in ('pending', 'in_progress')
              and f.expires_on >= least((earliest at time zone old_zone)::date, (earliest at time zone new_zone)::date)
              and f.expires_on < greatest((latest at time zone old_zone)::date, (latest at time zone new_zone)::date));
    update operational.form_answer as n set answered_at = n.answered_at
    where n.clinic_id = of_clinic
      and (n.answered_at at time zone old_zone)::date <> (n.answered_at at time zone new_zone)::date;
$$;
alter function operational.move_days(integer, text, text, timestamptz, timestamptz) owner to {owner};

-- An admin says where a clinic is, and nobody writes its time zone in another way. A view, since the clinic's row must not
-- be held while its days are moved: whoever signs or revokes a consent waits for that row.
create view operational.clinic_location with (security_invoker = true) as
select clinic_id, time_zone, country from operational.clinic where clinic_id = operational.context_clinic();
alter view operational.clinic_location owner to {owner};
grant select, update (time_zone, country) on operational.clinic_location to {service};

create function operational.move_clinic() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
    zone text;
    earliest timestamptz;
    -- As long as the request may take: a day that begins meanwhile has begun by the former clock.
    latest timestamptz;
begin
    if new.time_zone <> old.time_zone then
        if not exists (select from pg_catalog.pg_timezone_names as z where z.name = new.time_zone) then
            raise exception 'no such time zone' using errcode = 'invalid_parameter_value';
        end if;
        perform operational.hold_days_alone(new.clinic_id);
        earliest := clock_timestamp();
        latest := earliest + interval '10 minutes';
        -- Who came first may have moved it.
        select c.time_zone into strict zone from operational.clinic as c where c.clinic_id = new.clinic_id;
        perform operational.move_days(new.clinic_id, zone, new.time_zone, earliest, latest);
        update operational.clinic as c
        set time_zone = new.time_zone,
            day_before_moving = greatest(c.day_before_moving, (latest at time zone zone)::date)
        where c.clinic_id = new.clinic_id and c.time_zone <> new.time_zone;
    end if;
    update operational.clinic as c set country = new.country
    where c.clinic_id = new.clinic_id and c.country <> new.country;
    return new;
end $$;
alter function operational.move_clinic() owner to {owner};
create trigger move instead of update on operational.clinic_location
    for each row execute function operational.move_clinic();

-- All consents of a clinic are looked through where their ends may move, and only there.
drop trigger settle on operational.clinic;
create trigger settle after update of country, consent_grace_days on operational.clinic
    for each row when (old.country is distinct from new.country
                       or old.consent_grace_days is distinct from new.consent_grace_days)
    execute function operational.settle_by_clinic();

-- Rows of the quarantine that an admin asks to try again are tried by the live worker; what came of it is told.
alter table operational.quarantine
    add column tried_at timestamptz,
    -- Why it could not even be tried; what refused the row itself is its reason.
    add column trouble text;
grant select (tried_at, trouble) on operational.quarantine to {viewer};
create index quarantine_asked on operational.quarantine (clinic_id)
    where retry_asked_at is not null and resolved_at is null;
create index quarantine_came_in on operational.quarantine (clinic_id, resolved_at)
    where tried_at is not null and resolved_at is not null;
