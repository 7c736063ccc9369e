-- Grain: a segment in force whose rule does not compile any more, or that names such a one: the live worker leaves its
-- members as they are, and the others go on.
create table segment_broken (
    segment_id uuid primary key references segment,
    version integer not null
);
grant select, insert, update, delete on segment_broken to {builder};
grant select on segment_broken to {reader};
