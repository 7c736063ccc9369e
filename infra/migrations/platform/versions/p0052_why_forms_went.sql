-- Forms that went with an appointment that was deleted say so: its undo brings back these, and a correction those that a
-- cancellation took.
update operational.form as f set delete_reason = 'the appointment was deleted'
from operational.appointment as a
where a.clinic_id = f.clinic_id and a.patient_id = f.patient_id and f.occasion = a.appointment_id::text
    and f.delete_reason = 'the appointment was cancelled' and a.deleted_at is not null and a.status <> 'cancelled';
