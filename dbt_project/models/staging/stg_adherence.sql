select
    patient_id,
    plan_id,
    day,
    prescribed,
    done
from {{ source('clinic', 'raw_adherence') }}
