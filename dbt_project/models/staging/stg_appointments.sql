select
    patient_id,
    appointment_id,
    service,
    modality,
    status,
    starts_on,
    starts_on - booked_on as lead_days,
    date_trunc('month', starts_on)::date as month
from {{ source('clinic', 'raw_appointments') }}
