-- Whether what was counted of a mart still is as it was: its number goes on with every transaction that writes a table
-- which overviews count. One writer a clinic, so nobody waits for the row.
create table mart_clock (
    singleton boolean primary key default true check (singleton),
    writes bigint not null default 0
);
insert into mart_clock default values;
grant select, update on mart_clock to {builder};
grant select on mart_clock to {reader};

-- By a trigger, so that no way into the mart can forget it; with this schema's path, so that its plan is kept.
create function note_write() returns trigger
language plpgsql set search_path from current
as $$ begin
    update mart_clock set writes = writes + 1
    where xmin <> pg_current_xact_id()::xid;  -- once a transaction is enough, and leaves one dead row
    return null;
end $$;
do $$
declare t text;
begin
    foreach t in array array['raw_patients', 'raw_appointments', 'raw_adherence', 'segment_member', 'segment_state'] loop
        execute format('create trigger written after insert or update or delete or truncate on %I
            for each statement execute function note_write()', t);
    end loop;
end $$;
