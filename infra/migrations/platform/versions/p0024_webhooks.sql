-- Webhooks: where a clinic's systems are told who entered or left a segment, and what became of each delivery.
create table operational.webhook_endpoint (
    clinic_id integer not null references operational.clinic,
    endpoint_id uuid primary key,
    url text not null check (url like 'https://%' and length(url) <= 2000),
    -- Null is every segment.
    segments uuid[] check (cardinality(segments) > 0),
    kinds text[] not null check (kinds <@ array['entered', 'left', 'forget'] and cardinality(kinds) > 0),
    secret bytea not null,
    -- Signs beside the present one until then.
    previous_secret bytea,
    previous_until timestamptz,
    -- How far the clinic's feed has become deliveries.
    followed_run bigint not null,
    followed_segment uuid not null,
    followed_patient uuid not null,
    disabled_at timestamptz,
    disabled_by text check (disabled_by in ('manager', 'failures', 'gone')),
    -- Since when nothing was taken.
    failing_since timestamptz,
    -- Moves with what managers change.
    version integer not null default 1,
    created_at timestamptz not null default now(),
    created_by uuid not null,
    deleted_at timestamptz,
    deleted_by uuid,
    unique (clinic_id, endpoint_id),
    check ((previous_secret is null) = (previous_until is null)),
    check ((disabled_at is null) = (disabled_by is null)),
    check ((deleted_at is null) = (deleted_by is null))
);

-- Grain: one change of the feed, or one test, for one endpoint. It points at its row of the feed and says nothing
-- itself: what was taken out of the feed is not told any more.
create table operational.webhook_delivery (
    clinic_id integer not null,
    delivery_id uuid primary key,
    endpoint_id uuid not null,
    -- The order in which an endpoint's are sent.
    position bigint generated always as identity,
    kind text not null check (kind in ('entered', 'left', 'forget', 'test')),
    run bigint,
    segment_id uuid,
    patient_id uuid,
    state text not null default 'pending' check (state in ('pending', 'delivered', 'dead', 'void')),
    attempts integer not null default 0,
    first_tried_at timestamptz,
    next_try_at timestamptz not null default now(),
    -- The status of the last answer, or why there was none.
    answered smallint,
    failure text check (failure ~ '^[a-z_]{{1,40}}$'),
    created_at timestamptz not null default now(),
    ended_at timestamptz,
    foreign key (clinic_id, endpoint_id) references operational.webhook_endpoint (clinic_id, endpoint_id),
    -- Whom it is about is kept as long as it may still be told.
    check (num_nulls(run, segment_id, patient_id) = case when kind <> 'test' and state in ('pending', 'dead') then 0 else 3 end),
    check ((state = 'pending') = (ended_at is null))
);
create index webhook_delivery_endpoint on operational.webhook_delivery (endpoint_id, position);
create index webhook_delivery_pending on operational.webhook_delivery (endpoint_id, position) where state = 'pending';
create index webhook_delivery_kept on operational.webhook_delivery (clinic_id) where patient_id is not null;
create unique index webhook_delivery_change on operational.webhook_delivery (endpoint_id, run, segment_id, patient_id)
    where patient_id is not null;

do $$
declare t text;
begin
    foreach t in array array['webhook_endpoint', 'webhook_delivery'] loop
        execute format('alter table operational.%I owner to {owner}', t);
        execute format('alter table operational.%I enable row level security, force row level security', t);
        execute format('create policy owner_all on operational.%I to {owner} using (true) with check (true)', t);
        execute format('create policy context on operational.%I to {service}
            using (clinic_id = (select operational.context_clinic()))
            with check (clinic_id = (select operational.context_clinic()))', t);
        execute format('create policy viewing on operational.%I for select to {viewer}
            using (clinic_id = (select operational.context_clinic()))', t);
        execute format('create policy delivering on operational.%I to {courier} using (true) with check (true)', t);
        execute format('create trigger refuse_delete before delete or truncate on operational.%I
            for each statement execute function operational.refuse_delete()', t);
        execute format('grant select, insert, update on operational.%I to {service}', t);
    end loop;
end $$;
create policy rotating on operational.webhook_endpoint to {rotator} using (true) with check (true);
grant select (endpoint_id, secret, previous_secret), update (secret, previous_secret)
    on operational.webhook_endpoint to {rotator};
grant select (clinic_id, endpoint_id, url, segments, kinds, previous_until, disabled_at, disabled_by, failing_since,
    version, created_at, deleted_at) on operational.webhook_endpoint to {viewer};
grant select (clinic_id, delivery_id, endpoint_id, position, kind, state, attempts, first_tried_at, next_try_at,
    answered, failure, created_at, ended_at) on operational.webhook_delivery to {viewer};

-- The courier: endpoints and deliveries, and each clinic's feed as that clinic's reader. No person, profile or record
-- of the operational zone.
grant usage on schema operational to {courier};
grant select on operational.webhook_endpoint, operational.webhook_delivery to {courier};
grant update (previous_secret, previous_until, followed_run, followed_segment, followed_patient, disabled_at,
    disabled_by, failing_since) on operational.webhook_endpoint to {courier};
grant insert, update on operational.webhook_delivery to {courier};
grant select on operational.clinic to {courier};
create policy delivering on operational.clinic for select to {courier} using (true);
grant select, insert on operational.data_key to {courier};
grant update (retired_at) on operational.data_key to {courier};
create policy delivering on operational.data_key for select to {courier} using (purpose in ('webhook', 'message'));
create policy delivering_holds on operational.data_key for update to {courier} using (purpose = 'message') with check (false);
-- It tells managers that it has given an endpoint up, be it the first message of all.
create policy delivering_makes on operational.data_key for insert to {courier} with check (purpose = 'message');
grant select (principal_id, person_id, disabled_at) on operational.principal to {courier};
grant select on operational.principal_role to {courier};
create policy delivering on operational.principal for select to {courier} using (true);
create policy delivering on operational.principal_role for select to {courier} using (role = 'clinic_manager');
grant insert on operational.message to {courier};
create policy delivering on operational.message for insert to {courier} with check (kind = 'webhook_notice');
