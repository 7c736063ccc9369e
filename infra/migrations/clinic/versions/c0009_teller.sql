-- The teller reads what webhooks are told, for the courier: the feed, and whether somebody's part of it is withheld. No
-- name, profile or record.
do $$ begin
    execute format('grant usage on schema %I to {teller}', current_schema());
end $$;
grant select (segment_id, archived_at) on segment to {teller};
grant select (segment_id, version, profile_dependent) on segment_version to {teller};
grant select (patient_id, profile_shared, profile_until) on raw_patients to {teller};
grant select on segment_clock, segment_member, segment_forget, segment_stay, segment_change, withdrawal to {teller};
