-- The first day on which time alone could change one of a patient's memberships. It tells a birthday: the reader never
-- sees it. Grain: a patient for whom there is such a day.
create table patient_flip (
    patient_id uuid primary key,
    flips_on date not null
);

-- Whether that is known of everybody; until then everybody is due on the next day.
alter table segment_clock add column flips_known boolean not null default false;

grant select, insert, update, delete on patient_flip to {builder};
