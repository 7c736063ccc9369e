-- A profile whose end had passed in the mart was shown by no read, though a newer signature keeps it there: what it told
-- is taken out and told anew, as of who withdrew and signed again.
create trigger lapsed after update on raw_patients for each row
    when (old.profile_shared and new.profile_shared and old.profile_until <= clock_timestamp())
    execute function note_withdrawal();

-- Whether automation may act on what comes of a change: of what does not say, it may.
alter table changed_patient add column fires boolean not null default true;
alter table dead_change add column fires boolean not null default true;
