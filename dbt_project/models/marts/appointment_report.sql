{{ config(unique_key=['month', 'service', 'status']) }}

select
    month,
    service,
    status,
    count(*)::integer as appointments,
    count(distinct patient_id)::integer as patients
from {{ ref('stg_appointments') }}
group by month, service, status
