-- The audit zone: inserted, never changed. Monthly partitions, made ahead by the provisioner.
create table audit.access_event (
    event_id uuid not null,
    occurred_at timestamptz not null,
    principal_id uuid,
    principal_kind text not null,
    role text not null,
    acting_for uuid,
    action text not null,
    resource_type text not null,
    resource_id text,
    clinic_id integer,
    purpose text,
    decision text not null check (decision in ('permit', 'deny')),
    policies text[] not null,
    policy_version text,
    consent_event_id uuid,
    categories text[] not null default array[]::text[],
    request_id uuid,
    session_id text,
    origin inet,
    patients integer not null default 0,
    batch_id uuid,
    primary key (event_id, occurred_at)
) partition by range (occurred_at);
create index access_event_clinic on audit.access_event (clinic_id, occurred_at);
create index access_event_principal on audit.access_event (principal_id, occurred_at);
create index access_event_time on audit.access_event (occurred_at);

-- Grain: one row per patient disclosed by one event.
create table audit.disclosure (
    event_id uuid not null,
    occurred_at timestamptz not null,
    clinic_id integer not null,
    patient_id uuid not null
) partition by range (occurred_at);
create index disclosure_patient on audit.disclosure (clinic_id, patient_id, occurred_at);
create index disclosure_event on audit.disclosure (event_id);

-- Impersonation has its own log beside the main one.
create table audit.impersonation_event (
    event_id uuid not null,
    occurred_at timestamptz not null,
    session_id text not null,
    actor_id uuid not null,
    subject_id uuid not null,
    action text not null,
    reason text not null,
    primary key (event_id, occurred_at)
) partition by range (occurred_at);

create function audit.refuse_change() returns trigger
language plpgsql
as $$ begin
    raise exception 'the audit log is append-only' using errcode = 'insufficient_privilege';
end $$;

do $$
declare t text;
begin
    for t in select c.relname from pg_class as c
             where c.relnamespace = 'audit'::regnamespace and c.relkind = 'p' loop
        execute format('alter table audit.%I enable row level security, force row level security', t);
        execute format('create policy owner_all on audit.%I to {owner} using (true) with check (true)', t);
        execute format('create trigger append_only before update or delete on audit.%I
            for each row execute function audit.refuse_change()', t);
        execute format('grant insert on audit.%I to {service}, {importer}', t);
    end loop;
end $$;

-- A clinic's reader and builder write events of their own clinic only; the service writes for any.
create policy own on audit.access_event for insert to {readers}, {builders}
    with check (clinic_id = (select operational.role_clinic())
                and occurred_at between now() - interval '5 minutes' and now() + interval '5 minutes');
create policy own on audit.disclosure for insert to {readers}, {builders}
    with check (clinic_id = (select operational.role_clinic()));
create policy recording on audit.access_event for insert to {service}, {importer} with check (true);
create policy recording on audit.disclosure for insert to {service}, {importer} with check (true);
create policy recording on audit.impersonation_event for insert to {service} with check (true);
grant insert on audit.access_event, audit.disclosure to {readers}, {builders};

-- Auditors: all of it without a clinic context that is set to '*', otherwise their clinic alone.
create policy auditing on audit.access_event for select to {auditor}
    using (current_setting('cloister.audit_scope', true) = 'platform'
           or clinic_id = (select operational.context_clinic()));
create policy auditing on audit.disclosure for select to {auditor}
    using (current_setting('cloister.audit_scope', true) = 'platform'
           or clinic_id = (select operational.context_clinic()));
create policy auditing on audit.impersonation_event for select to {auditor}
    using (current_setting('cloister.audit_scope', true) = 'platform');
grant select on audit.access_event, audit.disclosure, audit.impersonation_event to {auditor};
grant insert on audit.access_event to {auditor};
create policy own_queries on audit.access_event for insert to {auditor} with check (true);
grant usage on schema operational to {auditor};
grant execute on function operational.context_clinic() to {auditor};

-- Makes the partitions of the month that holds `day` for every audit table; the provisioner calls it.
create function audit.ensure_month(day date) returns void
language plpgsql
as $$
declare
    t text;
    partition text;
    first date := date_trunc('month', day)::date;
begin
    for t in select c.relname from pg_class as c
             where c.relnamespace = 'audit'::regnamespace and c.relkind = 'p' loop
        partition := t || to_char(first, '_YYYY_MM');
        if to_regclass('audit.' || quote_ident(partition)) is null then
            execute format('create table audit.%I partition of audit.%I for values from (%L) to (%L)',
                partition, t, first, (first + interval '1 month')::date);
            execute format('alter table audit.%I enable row level security, force row level security', partition);
            execute format('create policy owner_all on audit.%I to {owner} using (true) with check (true)', partition);
            -- Statement triggers are not cloned to partitions: without its own, one could be truncated.
            execute format('create trigger append_only_truncate before truncate on audit.%I
                for each statement execute function audit.refuse_change()', partition);
        end if;
    end loop;
end $$;
revoke all on function audit.ensure_month(date) from public;
