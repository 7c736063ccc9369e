-- Who marks a person as deleted waits for whoever brings a registration of theirs back meanwhile, and has whoever begins
-- later wait: the next statement sees whether a clinic has them.
create function operational.hold_registrations() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    perform from operational.registration as r where r.person_id = new.person_id for share;
    return new;
end $$;
alter function operational.hold_registrations() owner to {owner};
revoke execute on function operational.hold_registrations() from public;
create trigger hold_registrations before update of deleted_at on operational.person
for each row when (old.deleted_at is null and new.deleted_at is not null)
execute function operational.hold_registrations();
