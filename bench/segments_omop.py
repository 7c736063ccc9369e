"""The mission's three example segments as Circe's cohort expressions, and what may differ in their members."""

from datetime import timedelta
from typing import Any

from bench.scale import AS_OF

PAIN, ATTENDED, REGISTERED, INTAKE, RATE = range(2_000_000_001, 2_000_000_006)
COHORTS = {"1": "over-65-low-adherence", "2": "new-without-intake", "3": "high-pain-not-seen"}
ANY_TIME = {"Start": {"Coeff": -1}, "End": {"Coeff": 1}}
SAME_DAY = {"Start": {"Days": 0, "Coeff": -1}, "End": {"Days": 0, "Coeff": 1}}


def expressions() -> dict[str, dict[str, Any]]:
    """Cohort ids to expressions, with the one date that Circe compares with written in."""
    month_ago, quarter_ago = AS_OF - timedelta(days=30), AS_OF.replace(month=AS_OF.month - 3)
    rate = {"CodesetId": 0, "OccurrenceStartDate": _day("gte", AS_OF), "ValueAsNumber": _number("lt", 0.5)}
    registered = {"CodesetId": 0, "OccurrenceStartDate": _day("gte", month_ago)}
    severe = {"CodesetId": 0, "ValueAsNumber": _number("gte", 7)}
    attended = {"CodesetId": 1, "OccurrenceStartDate": _day("gt", quarter_ago)}
    return {
        "1": _cohort([RATE], {"Measurement": {**rate, "Age": _number("gt", 65)}}, []),
        "2": _cohort(
            [REGISTERED, INTAKE], {"Observation": registered}, [_none({"Observation": {"CodesetId": 1}})]
        ),
        "3": _cohort(
            [PAIN, ATTENDED],
            {"Measurement": {"CodesetId": 0}},
            [
                {"Criteria": {"Measurement": severe}, "StartWindow": SAME_DAY, "Occurrence": {"Type": 2, "Count": 1}},
                _none({"VisitOccurrence": attended}),
            ],
        ),
    }  # fmt: skip


# The day's share of exercises done, as a measurement of its own: Circe counts, and adds nothing up.
RATES = """
insert into bench_omop.measurement
    (measurement_id, person_id, measurement_concept_id, measurement_date, value_as_number)
select last.measurement_id + row_number() over (), person.person_id, %(rate)s, %(as_of)s, rates.rate
from (
    select patient_id, sum(done)::double precision / nullif(sum(prescribed), 0) as rate
    from raw_adherence
    where day > %(as_of)s::date - 30 and day <= %(as_of)s::date
    group by patient_id
) as rates
inner join bench_omop.person on person.person_source_value = rates.patient_id
cross join (select coalesce(max(measurement_id), 0) as measurement_id from bench_omop.measurement) as last"""

# Circe counts calendar years, so whoever has a birthday after AS_OF turns 66 too early; and of two answers
# of one day it sees no order within a criterion, so any of that day may be the severe one.
EXPLAINED = """
select patient_id from {schema}.raw_patients
where extract(year from birth_date) = extract(year from %(as_of)s::date) - 66
    and birth_date + interval '66 years' > %(as_of)s::date
union
select patient_id from {schema}.raw_answers
where template = 'pain' and question = 'score'
group by patient_id, answered_on
having count(distinct number) > 1"""


def _cohort(concepts: list[int], primary: dict[str, Any], criteria: list[dict[str, Any]]) -> dict[str, Any]:
    sets = [
        {"id": index, "name": str(concept), "expression": {"items": [{"concept": {"CONCEPT_ID": concept}}]}}
        for index, concept in enumerate(concepts)
    ]
    return {
        "ConceptSets": sets,
        "PrimaryCriteria": {
            "CriteriaList": [primary],
            "ObservationWindow": {"PriorDays": 0, "PostDays": 0},
            "PrimaryCriteriaLimit": {"Type": "Last"},
        },
        "AdditionalCriteria": {"Type": "ALL", "CriteriaList": criteria, "DemographicCriteriaList": [], "Groups": []},
        "QualifiedLimit": {"Type": "First"},
        "ExpressionLimit": {"Type": "First"},
        "InclusionRules": [],
        "CensoringCriteria": [],
        "CollapseSettings": {"CollapseType": "ERA", "EraPad": 0},
    }


def _none(criteria: dict[str, Any]) -> dict[str, Any]:
    return {"Criteria": criteria, "StartWindow": ANY_TIME, "Occurrence": {"Type": 0, "Count": 0}}


def _number(op: str, value: float) -> dict[str, Any]:
    return {"Value": value, "Op": op}


def _day(op: str, value: Any) -> dict[str, Any]:
    return {"Value": value.isoformat(), "Op": op}
