{% test no_profile_without_consent(model) %}
select patient_id
from {{ model }}
where not profile_shared
    and num_nonnulls(birth_date, sex, blood_type, allergies, chronic_conditions, insurance_type) > 0
{% endtest %}
