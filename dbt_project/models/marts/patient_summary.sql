{{ config(unique_key='patient_id') }}

with visits as (
    select
        patient_id,
        count(*) as appointments,
        count(*) filter (where status = 'fulfilled') as fulfilled,
        count(*) filter (where status = 'noshow') as noshows,
        min(starts_on) filter (where status = 'fulfilled') as first_visit_on,
        max(starts_on) filter (where status = 'fulfilled') as last_visit_on,
        min(starts_on) filter (where status = 'booked' and starts_on >= {{ as_of() }}) as next_appointment_on
    from {{ ref('stg_appointments') }}
    group by patient_id
),

exercises as (
    select
        patient_id,
        sum(prescribed) as prescribed,
        sum(done) as done
    from {{ ref('stg_adherence') }}
    where day <= {{ as_of() }}
    group by patient_id
),

forms as (
    select
        patient_id,
        count(*) filter (where status = 'completed') as forms_completed,
        count(*) filter (where status in ('pending', 'in_progress')) as forms_open
    from {{ ref('stg_forms') }}
    group by patient_id
)

select
    patients.patient_id,
    coalesce(visits.appointments, 0)::integer as appointments,
    coalesce(visits.fulfilled, 0)::integer as fulfilled,
    coalesce(visits.noshows, 0)::integer as noshows,
    visits.first_visit_on,
    visits.last_visit_on,
    visits.next_appointment_on,
    coalesce(exercises.prescribed, 0)::bigint as prescribed,
    coalesce(exercises.done, 0)::bigint as done,
    coalesce(forms.forms_completed, 0)::integer as forms_completed,
    coalesce(forms.forms_open, 0)::integer as forms_open
from {{ ref('stg_patients') }} as patients
left join visits on patients.patient_id = visits.patient_id
left join exercises on patients.patient_id = exercises.patient_id
left join forms on patients.patient_id = forms.patient_id
