"""What an edit of a clinic's segments is in SQL, for commands and the API alike: under the role of the clinic's reader.

Parameters go by name; `by` is the principal who edits, null for a command.
"""

# One at a time: whoever edits sees what the editor before did to all of the clinic's segments. Not the clinic's
# writer lock: saving a rule does not wait for a build.
ONE_EDITOR = "select pg_advisory_xact_lock(hashtextextended('cloister.segments.' || %(clinic)s, 0))"
KNOWN = """
select
    s.segment_id, s.slug, s.name, s.description, s.version, s.archived_at is not null as archived, s.profile_dependent,
    v.rule, jsonb_path_query_array(v.rule, 'strict $.**.in_segment') as names
from segment as s
inner join segment_version as v on v.segment_id = s.segment_id and v.version = s.version"""
ADD = """
insert into segment (segment_id, slug, name, description, version, profile_dependent, created_at, created_by)
values (%(segment)s, %(slug)s, %(name)s, %(description)s, 1, false, statement_timestamp(), %(by)s)"""
# `DEPEND` and `DEPEND_VERSION` come next.
ADD_VERSION = """
insert into segment_version (segment_id, version, rule, profile_dependent, fires, created_at, created_by)
values (%(segment)s, %(version)s, %(rule)s::jsonb, false, %(fires)s, statement_timestamp(), %(by)s)"""
# Back from the archive as well.
CHANGE = """
update segment set
    name = %(name)s, description = %(description)s, version = %(version)s,
    archived_at = null, archived_by = null, archive_reason = null
where segment_id = %(segment)s"""
# An edit may change whether those that name the edited segment depend on profiles.
DEPEND = """
update segment set profile_dependent = slug = any(%(dependent)s::text[])
where archived_at is null and profile_dependent <> (slug = any(%(dependent)s::text[]))"""
# Of a version for good: what it once told of a profile, it has told.
DEPEND_VERSION = """
update segment_version as v set profile_dependent = true
from segment as s
where
    s.segment_id = v.segment_id and s.version = v.version and s.archived_at is null and not v.profile_dependent
    and s.slug = any(%(dependent)s::text[])"""
