-- Rotation of keys while serving: a login of its own, since row-level security shows the ciphertexts
-- of all people to nobody else; and the book of rotations, so that a killed one goes on where it was.
create table operational.key_rotation (
    rotation_id uuid primary key,
    kind text not null check (kind in ('kek', 'data', 'index')),
    -- Keys made before it are the old ones.
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz
);
create unique index key_rotation_open on operational.key_rotation (kind) where finished_at is null;
alter table operational.key_rotation enable row level security, force row level security;
create policy owner_all on operational.key_rotation to {owner} using (true) with check (true);
create trigger refuse_delete before delete or truncate on operational.key_rotation
    for each statement execute function operational.refuse_delete();

-- One digest a person, field and version of the key: a new number replaces the old one's.
alter table operational.blind_index drop constraint blind_index_pkey;
alter table operational.blind_index add primary key (person_id, field, key_version);
-- Made from the profile and made anew from it: an old version's digests would outlive its key.
drop trigger refuse_delete on operational.blind_index;

grant usage on schema operational, audit to {rotator};
grant select on operational.data_key, operational.key_rotation, operational.blind_index to {rotator};
grant insert on operational.data_key, operational.key_rotation, operational.blind_index to {rotator};
grant update (wrapped, kek_id, kek_version, retired_at) on operational.data_key to {rotator};
grant update (finished_at) on operational.key_rotation to {rotator};
grant update (digest), delete on operational.blind_index to {rotator};
grant select (person_id, version, phone, email, address, policy_number, emergency_contacts) on operational.profile
to {rotator};
grant update (phone, email, address, policy_number, emergency_contacts) on operational.profile to {rotator};
grant select (quarantine_id, content), update (content) on operational.quarantine to {rotator};
grant select (key_id, private_jwk), update (private_jwk) on operational.issuer_key to {rotator};
grant insert on audit.access_event to {rotator};
create policy rotating on audit.access_event for insert to {rotator} with check (true);
do $$
declare t text;
begin
    foreach t in array array['data_key', 'key_rotation', 'blind_index', 'profile', 'quarantine', 'issuer_key'] loop
        execute format('create policy rotating on operational.%I to {rotator} using (true) with check (true)', t);
    end loop;
end $$;

-- The same words under another key are no change: no new version, nothing for the worker to copy.
drop trigger touch on operational.profile;
drop trigger outbox_update on operational.profile;
create trigger touch before update on operational.profile
    for each row when (to_regrole(quote_ident(current_user)) is distinct from to_regrole('{rotator}'))
    execute function operational.touch();
create trigger outbox_update after update on operational.profile referencing new table as changed
    for each statement when (to_regrole(quote_ident(current_user)) is distinct from to_regrole('{rotator}'))
    execute function operational.note_person();
-- Services make keys and lock those that they write under (which asks for an update policy and some
-- column); they change none.
revoke update on operational.data_key from {service}, {importer};
grant update (retired_at) on operational.data_key to {service}, {importer};
drop policy keys on operational.data_key;
create policy reading on operational.data_key for select to {service}, {importer} using (true);
create policy making on operational.data_key for insert to {service}, {importer} with check (true);
create policy locking on operational.data_key for update to {service}, {importer} using (true) with check (false);
