-- OMOP CDM 5.4 of one clinic's mart, as far as the three example segments go, with the indexes that OHDSI recommends.
-- search_path names the clinic's schema; AS_OF stands for the day.
drop schema if exists bench_omop cascade;
create schema bench_omop;

create table bench_omop.concept as
select
    concept_id,
    concept_name,
    null::text as invalid_reason
from (values
    (2000000001::bigint, 'pain score'), (2000000002, 'attended appointment'), (2000000003, 'registered'),
    (2000000004, 'intake form completed'), (2000000005, 'exercises done of those prescribed, 30 days')
) as named (concept_id, concept_name);
alter table bench_omop.concept add primary key (concept_id);
create table bench_omop.concept_ancestor (ancestor_concept_id bigint, descendant_concept_id bigint);

create table bench_omop.person as
select
    row_number() over (order by patient_id) as person_id,
    0::bigint as gender_concept_id,
    extract(year from birth_date)::integer as year_of_birth,
    extract(month from birth_date)::integer as month_of_birth,
    extract(day from birth_date)::integer as day_of_birth,
    0::bigint as race_concept_id,
    0::bigint as ethnicity_concept_id,
    patient_id as person_source_value
from raw_patients;
alter table bench_omop.person add primary key (person_id);

-- All days up to AS_OF: what comes later is not looked at.
create table bench_omop.observation_period as
select
    person_id as observation_period_id,
    person_id,
    date '1900-01-01' as observation_period_start_date,
    AS_OF as observation_period_end_date
from bench_omop.person;
alter table bench_omop.observation_period add primary key (observation_period_id);
create index on bench_omop.observation_period (person_id);

create table bench_omop.visit_occurrence as
select
    row_number() over (order by starts_on, appointment_id) as visit_occurrence_id,
    person.person_id,
    2000000002::bigint as visit_concept_id,
    starts_on as visit_start_date,
    starts_on as visit_end_date
from raw_appointments
inner join bench_omop.person on person.person_source_value = raw_appointments.patient_id
where status = 'fulfilled';
alter table bench_omop.visit_occurrence add primary key (visit_occurrence_id);
create index on bench_omop.visit_occurrence (person_id);
create index on bench_omop.visit_occurrence (visit_concept_id);

-- Circe takes the lowest id of several events of one day.
create table bench_omop.measurement as
select
    row_number() over (order by answered_on, answered_at, answer_id desc) as measurement_id,
    person.person_id,
    2000000001::bigint as measurement_concept_id,
    answered_on as measurement_date,
    number as value_as_number,
    null::double precision as range_low,
    null::double precision as range_high,
    null::bigint as visit_occurrence_id
from raw_answers
inner join bench_omop.person on person.person_source_value = raw_answers.patient_id
where template = 'pain' and question = 'score' and number is not null;
alter table bench_omop.measurement add primary key (measurement_id);
create index on bench_omop.measurement (person_id);
create index on bench_omop.measurement (measurement_concept_id);

create table bench_omop.observation as
select
    row_number() over (order by observed.day) as observation_id,
    person.person_id,
    observed.concept_id as observation_concept_id,
    observed.day as observation_date,
    null::double precision as value_as_number,
    null::text as value_as_string,
    null::bigint as value_as_concept_id,
    null::bigint as unit_concept_id,
    null::bigint as visit_occurrence_id
from (
    select
        patient_id,
        2000000003::bigint as concept_id,
        registered_on as day
    from raw_patients
    union all
    select
        patient_id,
        2000000004,
        completed_on
    from raw_forms
    where template = 'intake' and status = 'completed'
) as observed
inner join bench_omop.person on person.person_source_value = observed.patient_id;
alter table bench_omop.observation add primary key (observation_id);
create index on bench_omop.observation (person_id);
create index on bench_omop.observation (observation_concept_id);

create table bench_omop.cohort (
    cohort_definition_id bigint,
    subject_id bigint,
    cohort_start_date date,
    cohort_end_date date
);
