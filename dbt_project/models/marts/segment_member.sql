{{ config(materialized='clinic_program', contract={'enforced': false}) }}

-- The clinic's compiled rules are themselves the model: this row's statement fills segment_member.
-- depends_on: {{ ref('stg_patients') }}, {{ ref('stg_appointments') }}
-- depends_on: {{ ref('stg_forms') }}, {{ ref('stg_adherence') }}
select
    verdicts,
    statement,
    parameters
from {{ source('clinic', 'segment_program') }}
