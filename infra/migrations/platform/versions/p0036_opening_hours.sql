-- When a clinic is open, by its own clock: free times are offered within. Days that are not named are closed.
alter table operational.booking_setting
    add column hours jsonb not null default '{{"mon": "08:00-18:00", "tue": "08:00-18:00", "wed": "08:00-18:00",
        "thu": "08:00-18:00", "fri": "08:00-18:00"}}' check (jsonb_typeof(hours) = 'object');

-- Whoever may book there sees when; of appointments the reads of free times tell only that somebody has one.
grant select (clinic_id, days_ahead, hours) on operational.booking_setting to {viewer};
create policy viewing on operational.booking_setting for select to {viewer}
    using (clinic_id = (select operational.context_clinic()));
