{{ config(unique_key=['segment_id', 'dimension', 'bucket']) }}

with members as (
    select
        member.segment_id,
        member.patient_id
    from {{ ref('segment_member') }} as member
    inner join {{ source('clinic', 'segment') }} as segment on member.segment_id = segment.segment_id
    where member.left_at is null and segment.archived_at is null
),

recent as (
    select
        patient_id,
        sum(done)::double precision / sum(prescribed) as completion
    from {{ ref('stg_adherence') }}
    where day > {{ as_of() }} - 30 and day <= {{ as_of() }}
    group by patient_id
),

last_visit as (
    select distinct on (patient_id)
        patient_id,
        service
    from {{ ref('stg_appointments') }}
    where status <> 'cancelled' and starts_on <= {{ as_of() }}
    order by patient_id asc, starts_on desc, appointment_id asc
),

-- Worked out once: as long as nobody has counted the members, they are taken for so few that it were done for each.
attributes as materialized (
    select
        patients.patient_id,
        patients.sex,
        patients.insurance_type,
        extract(year from age({{ as_of() }}, patients.birth_date)) as age,
        summary.noshows::double precision / nullif(summary.fulfilled + summary.noshows, 0) as noshow_share,
        recent.completion,
        last_visit.service
    from {{ ref('stg_patients') }} as patients
    left join {{ ref('patient_summary') }} as summary on patients.patient_id = summary.patient_id
    left join recent on patients.patient_id = recent.patient_id
    left join last_visit on patients.patient_id = last_visit.patient_id
),

bucketed as (
    select
        members.segment_id,
        bucket.dimension,
        bucket.bucket
    from members
    inner join attributes on members.patient_id = attributes.patient_id
    cross join lateral (
        values
        ('age', case
            when attributes.age < 18 then '0-17'
            when attributes.age < 40 then '18-39'
            when attributes.age < 65 then '40-64'
            when attributes.age < 80 then '65-79'
            when attributes.age >= 80 then '80+'
            else 'unknown'
        end),
        ('sex', coalesce(attributes.sex, 'unknown')),
        ('insurance', coalesce(attributes.insurance_type, 'unknown')),
        ('service', coalesce(attributes.service, 'unknown')),
        ('attendance', case
            when attributes.noshow_share = 0 then '0 %'
            when attributes.noshow_share < 0.25 then '1-24 %'
            when attributes.noshow_share < 0.5 then '25-49 %'
            when attributes.noshow_share >= 0.5 then '50-100 %'
            else 'unknown'
        end),
        ('adherence', case
            when attributes.completion < 0.25 then '0-24 %'
            when attributes.completion < 0.5 then '25-49 %'
            when attributes.completion < 0.75 then '50-74 %'
            when attributes.completion >= 0.75 then '75-100 %'
            else 'unknown'
        end)
    ) as bucket (dimension, bucket)
)

select
    segment_id,
    dimension,
    bucket,
    count(*)::integer as patients
from bucketed
group by segment_id, dimension, bucket
