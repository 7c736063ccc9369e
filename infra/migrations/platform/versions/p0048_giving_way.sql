-- A build gives way to changes that are late, so that segments follow at once while it goes on.
grant select (outbox_id, changed_at) on operational.outbox to {pipeline};

-- Whether changes are late that a live worker is about to bring. What waits for longer than two seconds waits for
-- something else than a processor: a clinic that fails, an import's backlog, a lock. Whoever goes on helps these most.
create function pipeline.changes_late() returns boolean
language sql volatile set search_path = ''
as $$
    select exists (
        select from (select changed_at from operational.outbox order by outbox_id desc limit 500) as newest
        where changed_at > clock_timestamp() - interval '2 seconds'
            and changed_at < clock_timestamp() - interval '50 milliseconds'
    ) and exists (  -- a worker's place: infra/live_health.py
        select from pg_catalog.pg_locks
        where locktype = 'advisory' and classid = 20241107 and objsubid = 2 and granted
            and database = (select oid from pg_catalog.pg_database where datname = current_database())
    )
$$;

-- Waits while changes are late, and tells how long: a quarter of a second at most, since a snapshot is held meanwhile, and
-- in all of a session a second and as long as it has worked. Kept is until when it has rested enough; a wait moves that
-- on by twice its length, since time moves on as well.
create function pipeline.give_way() returns interval
language plpgsql volatile set search_path = ''
as $$
declare
    called constant timestamptz := clock_timestamp();
    began timestamptz := called;
    rested timestamptz := greatest(
        nullif(current_setting('cloister.rested', true), '')::timestamptz, called - interval '1 second'
    );
begin
    while rested < began and began < called + interval '250 milliseconds' and pipeline.changes_late() loop
        perform pg_catalog.pg_sleep(0.02);
        rested := rested + 2 * (clock_timestamp() - began);
        began := clock_timestamp();
    end loop;
    if began > called then
        perform pg_catalog.set_config('cloister.rested', rested::text, false);
    end if;
    return began - called;
end $$;

grant execute on function pipeline.changes_late(), pipeline.give_way() to {pipeline};
