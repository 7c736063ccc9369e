-- Who put a segment away, and why: a word, since a story could be a patient's.
alter table segment
    add column archived_by uuid,
    add column archive_reason text check (archive_reason in ('mistake', 'duplicate', 'replaced', 'no_longer'));

grant update (archived_by, archive_reason) on segment to {reader};
