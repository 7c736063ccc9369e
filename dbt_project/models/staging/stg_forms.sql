select
    patient_id,
    form_id,
    template,
    status,
    due_on,
    completed_on
from {{ source('clinic', 'raw_forms') }}
