-- What wakes the live worker, and whoever follows members. Notifications name a clinic, which tells of nobody; they may
-- be lost with a connection, so whoever listens looks for himself every few seconds as well.
create function operational.wake_for_changes() returns trigger
language plpgsql set search_path = ''
as $$ begin
    perform pg_notify('cloister_outbox', c.slug)
    from operational.clinic as c where c.clinic_id in (select clinic_id from changed);
    return null;
end $$;
create trigger wake after insert on operational.outbox referencing new table as changed
    for each statement execute function operational.wake_for_changes();

-- The same for a table of a clinic's own schema, on the channel of the argument.
create function operational.notify_clinic() returns trigger
language plpgsql set search_path = ''
as $$ begin
    perform pg_notify(tg_argv[0], substr(tg_table_schema, length('clinic_') + 1));
    return null;
end $$;

-- For a worker, which has other clinics to look after while somebody writes this one's mart.
create function operational.try_lock_clinic(slug text) returns boolean
language sql volatile
as $$ select pg_try_advisory_xact_lock(hashtextextended('cloister.clinic.' || slug, 0)) $$;
grant execute on function operational.try_lock_clinic(text) to {pipeline}, {builders};

-- Grain: a clinic whose members stand for another day than its last build's, since the worker passed a midnight.
create table pipeline.member_day (
    clinic text primary key,
    as_of date not null,
    passed_at timestamptz not null default clock_timestamp()
);
grant select, insert, update on pipeline.member_day to {pipeline};
grant select on pipeline.member_day to {service};

-- Which clinics have changes waiting, and since when; of whom these are is for the clinic's builder alone.
grant select (clinic_id) on operational.outbox to {pipeline};
create policy noticing on operational.outbox for select to {pipeline} using (true);
grant select (clinic_id, changed_at) on operational.outbox to {readers};
create policy counting on operational.outbox for select to {readers}
    using (clinic_id = (select operational.role_clinic()));
