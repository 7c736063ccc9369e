"""What a row of text may hold: each bad value is a reason with its field, and never the value itself."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.importing import shaping
from orchestration.importing.mapping import Mapping
from orchestration.importing.reading import LINE
from orchestration.importing.shaping import REASON, shape
from tests.clocks import standing_at

FIELDS = ("source_id", "name", "registered_on", "birth_date", "age", "asserted_on", "sex", "blood_type")
MAPPING = Mapping.model_validate(
    {"source": "desk", "files": [{"entities": [{"entity": "patient", "fields": {name: name for name in FIELDS}}]}]}
)
GOOD = {"source_id": "1", "name": "Ada Wren", "registered_on": "2026-01-02", "asserted_on": "2026-01-02"}
TOMORROW = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()


def reason(**values: str | None) -> str | None:
    """Why a row with these values is refused; None if it is taken."""
    row: dict[str, object] = dict.fromkeys(FIELDS) | GOOD | values
    frame = pl.DataFrame({LINE: [2], **{name: [value] for name, value in row.items()}}).cast(
        dict.fromkeys(FIELDS, pl.String)
    )
    shaped = shape(frame, MAPPING, MAPPING.files[0], "north")
    assert shaped.entities["patient"].height + shaped.refused.height == 1
    return None if shaped.refused.is_empty() else shaped.refused[REASON][0]


@pytest.mark.check(41)
@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("birth_date", "1999-02-29", "is no date"),
        ("birth_date", "1900-02-29", "is no date"),
        ("birth_date", "2026-00-10", "is no date"),
        ("birth_date", "10.02.1990", "is no date"),
        ("birth_date", TOMORROW, "is in the future"),
        ("birth_date", "1849-12-31", "is not between 1850-01-01 and 2200-01-01"),
        ("registered_on", TOMORROW, "is in the future"),
        ("age", "-1", "is not between 0 and 130"),
        ("age", "131", "is not between 0 and 130"),
        ("age", "4.5", "is no integer"),
        ("age", "٣٤", "is no integer"),
        ("name", None, "is missing"),
        ("name", "x" * 201, "is longer than 200"),
        ("source_id", None, "is missing"),
        ("sex", "F", "is none of female, male, other, unknown"),
        ("blood_type", "C+", "is none of A+, A-, B+, B-, AB+, AB-, O+, O-"),
    ],
)
def test_a_bad_value_is_refused_by_its_fields_name(field: str, value: str | None, why: str) -> None:
    assert reason(**{field: value}) == f"{field}: {why}"


@pytest.mark.check(41)
@pytest.mark.parametrize(
    ("field", "value"),
    [("birth_date", "2000-02-29"), ("birth_date", "2024-02-29T08:00:00Z"), ("age", "0"), ("age", "130"),
     ("name", "عمر"), ("name", "=1+1")],
)  # fmt: skip
def test_an_unusual_value_is_taken_as_it_is(field: str, value: str) -> None:
    assert reason(**{field: value}) is None


@pytest.mark.check(41)
@given(st.sampled_from(FIELDS), st.text(max_size=30))
def test_whatever_a_value_is_it_is_taken_or_its_field_is_named(field: str, value: str) -> None:
    said = reason(**{field: value})
    assert said is None or said.split(":")[0] in FIELDS


@pytest.mark.check(43)
@pytest.mark.parametrize(("hour", "last"), [(9, "2026-03-01"), (10, "2026-03-02")])
def test_a_day_that_has_begun_where_days_begin_first_is_not_to_come(
    monkeypatch: pytest.MonkeyPatch, hour: int, last: str
) -> None:
    monkeypatch.setattr(shaping, "datetime", standing_at(datetime(2026, 3, 1, hour, tzinfo=UTC)))
    after = (datetime.fromisoformat(last) + timedelta(days=1)).date().isoformat()
    for field in ("registered_on", "asserted_on", "birth_date"):
        assert reason(**{field: last}) is None
        assert reason(**{field: after}) == f"{field}: is in the future"
