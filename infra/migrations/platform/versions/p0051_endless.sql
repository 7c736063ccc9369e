-- What an import brought of appointments to come has no end, so that no constraint keeps its time free: each booking looks
-- for it. What is over or was cancelled, nearly all that an import brings, is not in this index.
create index appointment_endless on operational.appointment (clinic_id, specialist, starts_at)
    where ends_at is null and starts_at is not null and deleted_at is null and status in ('booked', 'arrived');
