-- An admin says where a clinic is. Its country moves majorities and consents, which `settle_by_clinic` sees to; its time
-- zone moves days, here.
grant update (time_zone, country) on operational.clinic to {service};

-- The last day that had begun by a time zone that the clinic had before: its members may stand for it still, and go back
-- to the day that it is there now.
alter table operational.clinic add column day_before_moving date;

-- Who works out a day by a clinic's time zone holds it: a change of the zone waits for them, and they for it. To be asked
-- for in a statement of its own, since the next one sees what has committed meanwhile.
create function operational.hold_days(clinic integer) returns void
language sql volatile
as $$ select pg_advisory_xact_lock_shared(hashtextextended('cloister.days.' || clinic, 0)) $$;
create function operational.hold_days_alone(clinic integer) returns void
language sql volatile
as $$ select pg_advisory_xact_lock(hashtextextended('cloister.days.' || clinic, 0)) $$;
grant execute on function operational.hold_days(integer) to {service}, {importer};
grant execute on function operational.hold_days_alone(integer) to {service}, {owner};

-- What lies on another day now is changed like by anybody: versions and the outbox bring it into the mart. A day that the
-- source gave beside its instant stays; the instant of a booking is not kept, so that its day moves no farther than needed.
create function operational.move_days() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
    moment constant timestamptz := statement_timestamp();
begin
    perform operational.hold_days_alone(new.clinic_id);
    new.day_before_moving := greatest(new.day_before_moving, (moment at time zone old.time_zone)::date);
    update operational.appointment as a
    set starts_on = (a.starts_at at time zone new.time_zone)::date,
        booked_on = least(a.booked_on, (a.starts_at at time zone new.time_zone)::date)
    where a.clinic_id = new.clinic_id and a.starts_on = (a.starts_at at time zone old.time_zone)::date
      and a.starts_on <> (a.starts_at at time zone new.time_zone)::date;
    update operational.form as f set completed_at = f.completed_at
    where f.clinic_id = new.clinic_id
      and ((f.completed_at at time zone old.time_zone)::date <> (f.completed_at at time zone new.time_zone)::date
           or f.status in ('pending', 'in_progress')
              and (f.expires_on < (moment at time zone old.time_zone)::date)
                  <> (f.expires_on < (moment at time zone new.time_zone)::date));
    update operational.form_answer as n set answered_at = n.answered_at
    where n.clinic_id = new.clinic_id
      and (n.answered_at at time zone old.time_zone)::date <> (n.answered_at at time zone new.time_zone)::date;
    return new;
end $$;
alter function operational.move_days() owner to {owner};
create trigger move_days before update of time_zone on operational.clinic
    for each row when (old.time_zone is distinct from new.time_zone) execute function operational.move_days();

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
