-- Impersonation: a platform admin acts as a patient or guardian, briefly, for a reason, and in two logs.

-- Grain: one row per impersonation. `reason` is a word of a list and `ticket` an id: no free text about a patient.
create table operational.impersonation (
    impersonation_id uuid primary key,
    actor_id uuid not null references operational.principal,
    subject_id uuid not null references operational.principal,
    -- Whose account the subject's was: an account that changes hands ends the impersonation.
    person_id uuid not null references operational.person,
    reason text not null check (reason ~ '^[a-z_]{{1,40}}$'),
    ticket text not null check (ticket ~ '^[A-Za-z0-9][A-Za-z0-9._/#-]{{0,63}}$'),
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    ended_at timestamptz,
    ended_by uuid references operational.principal,
    -- When the patient was told: null waits for the messages of the operational core.
    notified_at timestamptz,
    check (actor_id <> subject_id),
    check (ends_at > starts_at and ends_at <= starts_at + interval '60 minutes'),
    check ((ended_at is null) = (ended_by is null))
);
create index impersonation_person on operational.impersonation (person_id, starts_at);
create index impersonation_open on operational.impersonation (ends_at) where ended_at is null;
create index impersonation_untold on operational.impersonation (starts_at) where notified_at is null;

alter table operational.impersonation owner to {owner};
alter table operational.impersonation enable row level security, force row level security;
create policy owner_all on operational.impersonation to {owner} using (true) with check (true);
create policy identity on operational.impersonation to {service} using (true) with check (true);
create policy own_family on operational.impersonation for select to {family}
    using (person_id = (select operational.context_person()));
create trigger refuse_delete before delete or truncate on operational.impersonation
    for each statement execute function operational.refuse_delete();
grant select, insert, update (ended_at, ended_by, notified_at) on operational.impersonation to {service};
-- The patient sees when and why, and neither by whom nor under which ticket.
grant select (impersonation_id, person_id, reason, starts_at, ends_at, ended_at) on operational.impersonation to {family};

-- An event of an impersonation names it: one that is opened or ended, and one that somebody acts by. Of the
-- latter the principal is the actor, and `acting_for` is the person in whose name it is done.
alter table audit.access_event add column impersonation_id uuid;
create index access_event_impersonation on audit.access_event (impersonation_id, occurred_at)
    where impersonation_id is not null;

-- The separate log is written by the main one, in the same statement: neither can be without the other. Its
-- subject and reason come from the impersonation itself, so that no event can name others.
create function audit.note_impersonation() returns trigger
language plpgsql security definer set search_path = ''
as $$ begin
    insert into audit.impersonation_event
        (event_id, occurred_at, session_id, actor_id, subject_id, action, reason)
    select new.event_id, new.occurred_at, coalesce(new.session_id, 'none'), new.principal_id, i.subject_id,
        new.action, i.reason
    from operational.impersonation as i
    where i.impersonation_id = new.impersonation_id
      -- Who acts does so as the actor, and until it is ended.
      and (new.acting_for is null
           or (i.actor_id = new.principal_id and i.ended_at is null and new.occurred_at < i.ends_at));
    if not found and new.acting_for is not null then
        raise exception 'no such impersonation' using errcode = 'insufficient_privilege';
    end if;
    return null;
end $$;
alter function audit.note_impersonation() owner to {owner};
create trigger note_impersonation after insert on audit.access_event
    for each row when (new.impersonation_id is not null) execute function audit.note_impersonation();
drop policy recording on audit.impersonation_event;
revoke insert on audit.impersonation_event from {service}, {importer};

-- Which of the accesses that a person sees were impersonated, and why; not by whom.
create policy reading_own on audit.impersonation_event for select to {family}
    using (exists (select from audit.access_event as e
                   where e.event_id = impersonation_event.event_id
                     and e.occurred_at = impersonation_event.occurred_at));
grant select (event_id, occurred_at, reason) on audit.impersonation_event to {family};
