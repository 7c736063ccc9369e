-- What went to a person of late is asked before each code: until now by reading every verification there is.
create index verification_person on operational.verification (person_id, sent_at);

-- A person is there before any registration of theirs, or comes with it in one statement: either way the
-- registration's own trigger tells the outbox.
drop trigger outbox_insert on operational.person;
