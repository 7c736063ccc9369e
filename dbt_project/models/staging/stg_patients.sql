select
    patient_id,
    name,
    external_id,
    registered_on,
    profile_shared,
    birth_date,
    sex,
    insurance_type
from {{ source('clinic', 'raw_patients') }}
