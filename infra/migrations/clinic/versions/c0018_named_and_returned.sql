-- Whether a segment names one of which a quiet version has not been evaluated yet, through others too, or did by a version
-- since the last that was evaluated: whom that one moves, no difference of the segment's own showed. What a first version
-- brings is shown by whoever begins to name it. A function, so that a statement which seldom asks has nothing to plan.
create function names_quiet_one(asked uuid) returns boolean
language sql stable parallel safe set search_path from current
as $$
    with recursive past as (
        select asked as segment_id
        union
        select other.segment_id
        from past
        left join segment_state as known on known.segment_id = past.segment_id
        inner join segment_version as saved
            on saved.segment_id = past.segment_id and saved.version >= coalesce(known.version, 1)
        cross join lateral jsonb_path_query(saved.rule, 'strict $.**.in_segment') as named (slug)
        inner join segment as other on to_jsonb(other.slug) = named.slug
    )
    select exists (
        select from past
        left join segment_state as known on known.segment_id = past.segment_id
        inner join segment_version as quiet
            on quiet.segment_id = past.segment_id and quiet.version > coalesce(known.version, 1)
        where not quiet.fires
    )
$$;
grant execute on function names_quiet_one(uuid) to {builder};

-- Of who was deleted nothing is shown from the load on that takes the row; the stays end with the next evaluation. Who
-- comes back before it has left and entered, or whoever looked in between would miss them for good. By a trigger, so that
-- no way into the mart can forget it; with this schema's path, so that its plan is kept. Through the few segments, so that
-- the index of present members serves each patient.
create function note_return() returns trigger
language plpgsql set search_path from current
as $$ begin
    if not exists (select from came) then
        return null;
    end if;
    with stay as materialized (
        select held.segment_id, held.patient_id, held.entered_run, coalesce(state.version, held.version) as version
        from segment
        inner join segment_member as held on held.segment_id = segment.segment_id and held.left_at is null
        inner join came on came.patient_id = held.patient_id
        left join segment_state as state on state.segment_id = held.segment_id
    ),
    this as (
        update segment_clock set run = run + 2, at = greatest(at, clock_timestamp())
        where exists (select from stay)
        returning run, at
    ),
    gone as (
        update segment_member as held
        set left_at = this.at, left_run = this.run - 1, left_version = stay.version, left_by = 'correction',
            fires_out = false
        from stay cross join this
        where held.segment_id = stay.segment_id and held.entered_run = stay.entered_run
            and held.patient_id = stay.patient_id
        returning held.segment_id, held.patient_id, held.left_version as version
    )
    insert into segment_member (segment_id, patient_id, entered_at, entered_run, version, entered_by, fires_in)
    select segment_id, patient_id, this.at, this.run, version, 'correction', false
    from gone cross join this
    order by segment_id, patient_id;
    return null;
end $$;
create trigger returned after insert on raw_patients referencing new table as came
    for each statement execute function note_return();
