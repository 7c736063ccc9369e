-- The audit log as Merkle trees, one a stream: events become leaves once they are committed (docs/audit.md).

-- `nonce` keeps a leaf's hash from being guessed; `transaction_id` tells the sealer what was committed since it last
-- looked. Both are the database's to make: no statement that records names them.
alter table audit.access_event
    add column nonce uuid not null default gen_random_uuid(),
    add column transaction_id xid8 not null default pg_current_xact_id();
alter table audit.impersonation_event
    add column nonce uuid not null default gen_random_uuid(),
    add column transaction_id xid8 not null default pg_current_xact_id();
create index access_event_transaction on audit.access_event (transaction_id);
create index impersonation_event_transaction on audit.impersonation_event (transaction_id);
-- Whoever names an older transaction would hide the event from the sealer.
create policy own_transaction on audit.access_event as restrictive for insert
    with check (transaction_id = pg_current_xact_id());
create policy own_transaction on audit.impersonation_event as restrictive for insert
    with check (transaction_id = pg_current_xact_id());

-- Grain: one row per sealed event: its place in the tree, and the hash of its line.
create table audit.leaf (
    index bigint not null check (index >= 0),
    occurred_at timestamptz not null,
    event_id uuid not null,
    stream text not null check (stream in ('access', 'impersonation')),
    hash bytea not null check (octet_length(hash) = 32),
    primary key (stream, index),
    unique (stream, event_id)
);

-- Perfect subtrees of 256 leaves, of 256 of those, and so on: a proof reads at most 255 rows of each kind.
create table audit.tree_node (
    index bigint not null check (index >= 0),
    level smallint not null check (level > 0 and level % 8 = 0),
    stream text not null check (stream in ('access', 'impersonation')),
    hash bytea not null check (octet_length(hash) = 32),
    primary key (stream, level, index)
);
create view audit.tree_hash with (security_invoker = true) as
    select stream, 0::smallint as level, index, hash from audit.leaf
    union all
    select stream, level, index, hash from audit.tree_node;

-- Grain: one row per signed tree. `read_until` is the snapshot by which its events were committed, on the server of
-- that `system_id`: the transactions of a server that was restored from a dump have other numbers.
create table audit.checkpoint (
    stream text not null check (stream in ('access', 'impersonation')),
    size bigint not null check (size > 0),
    root bytea not null check (octet_length(root) = 32),
    note text not null,
    signed_at timestamptz not null,
    read_until pg_snapshot not null,
    system_id bigint not null,
    primary key (stream, size)
);

-- The public keys that checkpoints were ever signed with.
create table audit.signer (
    verifier text primary key,
    since timestamptz not null
);

do $$
declare t text;
begin
    foreach t in array array['leaf', 'tree_node', 'checkpoint', 'signer'] loop
        execute format('alter table audit.%I owner to {owner}', t);
        execute format('alter table audit.%I enable row level security, force row level security', t);
        execute format('create policy owner_all on audit.%I to {owner} using (true) with check (true)', t);
        execute format('create policy sealing on audit.%I to {sealer} using (true) with check (true)', t);
        execute format('create trigger append_only before update or delete on audit.%I
            for each row execute function audit.refuse_change()', t);
        execute format('create trigger append_only_truncate before truncate on audit.%I
            for each statement execute function audit.refuse_change()', t);
        execute format('grant select, insert on audit.%I to {sealer}', t);
    end loop;
end $$;
alter view audit.tree_hash owner to {owner};

grant usage on schema audit to {sealer};
grant select on audit.access_event, audit.disclosure, audit.impersonation_event, audit.tree_hash to {sealer};
create policy sealing on audit.access_event for select to {sealer} using (true);
create policy sealing on audit.disclosure for select to {sealer} using (true);
create policy sealing on audit.impersonation_event for select to {sealer} using (true);

-- Hashes, roots and keys tell nothing of anybody; which event is which leaf is for those who may see the event.
grant select on audit.tree_node, audit.checkpoint, audit.signer, audit.tree_hash to {service}, {auditor};
grant select (stream, index, hash) on audit.leaf to {service};
grant select on audit.leaf to {auditor};
grant select (stream, index, event_id, hash) on audit.leaf to {family};
create policy hashes on audit.leaf for select to {service} using (true);
create policy hashes on audit.tree_node for select to {service}, {auditor} using (true);
create policy signed on audit.checkpoint for select to {service}, {auditor} using (true);
create policy signed on audit.signer for select to {service}, {auditor} using (true);
create policy auditing on audit.leaf for select to {auditor}
    using (current_setting('cloister.audit_scope', true) = 'platform'
           or (stream = 'access' and exists (select from audit.access_event as e
                                             where e.event_id = leaf.event_id and e.occurred_at = leaf.occurred_at)));
create policy reading_own on audit.leaf for select to {family}
    using (stream = 'access' and exists (select from audit.access_event as e where e.event_id = leaf.event_id
                                          and e.occurred_at = leaf.occurred_at));
