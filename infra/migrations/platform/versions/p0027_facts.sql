-- What sources say of a profile, one fact a row: a list of conditions comes as conditions, each with its own end, and
-- the one that ends leaves the others standing. The profile is worked out of them; who edits it themself is believed.
create table operational.profile_fact (
    person_id uuid not null references operational.person,
    source text not null,
    kind text not null check (kind in ('allergy', 'condition', 'insurance', 'blood_type')),
    -- The source's own id of it, or a digest of what it says.
    record_id text not null,
    value text not null check (length(value) between 1 and 200),
    since date,
    until date,
    changed_at timestamptz not null default now(),
    primary key (person_id, source, kind, record_id)
);
alter table operational.profile_fact owner to {owner};
alter table operational.profile_fact enable row level security, force row level security;
create policy owner_all on operational.profile_fact to {owner} using (true) with check (true);
create policy importing on operational.profile_fact to {importer} using (true) with check (true);
create trigger refuse_delete before delete or truncate on operational.profile_fact
    for each statement execute function operational.refuse_delete();
grant select, insert, update on operational.profile_fact to {importer};
