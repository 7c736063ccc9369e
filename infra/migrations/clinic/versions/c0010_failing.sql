-- What evaluating the segment fails with, whoever the patient is; null where its rule does not even compile. Such a
-- segment is left out until its rule changes, or it is tried again.
alter table segment_broken add column sqlstate text;
