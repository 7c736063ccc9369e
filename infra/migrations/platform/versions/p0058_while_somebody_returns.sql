-- Who takes a person along asks first whether a clinic has them: whoever brings a registration back meanwhile is waited
-- for, and whoever begins later waits. To be asked for in a statement of its own, since the next one sees what has
-- committed meanwhile.
create function operational.hold_registrations(of_person uuid) returns void
language sql volatile security definer set search_path = ''
as $$ select from operational.registration where person_id = of_person for share $$;
alter function operational.hold_registrations(uuid) owner to {owner};
revoke execute on function operational.hold_registrations(uuid) from public;
grant execute on function operational.hold_registrations(uuid) to {service};
