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
