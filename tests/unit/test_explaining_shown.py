"""Rows as the database gives them become what the reference takes."""

from datetime import UTC, date, datetime

from api.segments.explaining_schemas import Explanation, Part
from api.segments.explaining_shown import patient_of
from policies.segments.measure import FactTable


def test_days_and_instants_of_records_come_back_as_such() -> None:
    answer = {"answered_on": "2024-05-31", "answered_at": "2024-05-31T02:00:00.5+02:00", "day": None, "number": 7}
    found = patient_of({"registered_on": date(2020, 1, 1), "raw_answers": [answer]})
    assert found.columns == {"registered_on": date(2020, 1, 1)}
    assert found.facts == {
        FactTable.ANSWERS: [
            {
                "answered_on": date(2024, 5, 31),
                "answered_at": datetime(2024, 5, 31, microsecond=500000, tzinfo=UTC),
                "day": None,
                "number": 7,
            }
        ]
    }


def test_the_day_of_change_says_what_it_does_not_look_ahead_to() -> None:
    for model in (Part, Explanation):
        said = model.model_fields["changes"].description
        assert said and "form that expires" in said and "consent that ends" in said
