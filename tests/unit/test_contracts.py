"""A frame that breaks its contract is refused by rule and column; its values are never quoted."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from infra.errors import InvalidInput
from orchestration.contracts import ADHERENCE, PATIENTS, Contract

CANARY = "Zyxcanary"


def patients(**changes: Any) -> pl.DataFrame:
    row: dict[str, Any] = dict.fromkeys(PATIENTS.columns)
    row |= {"patient_id": b"1" * 16, "version": 1, "name": CANARY, "registered_on": date(2020, 1, 1)}
    return pl.DataFrame([row | {"profile_shared": False} | changes], schema=dict(PATIENTS.columns))


def refusal(contract: Contract, frame: pl.DataFrame) -> str:
    with pytest.raises(InvalidInput) as refused:
        contract.check(frame)
    assert CANARY not in refused.value.message
    return refused.value.message


def test_a_frame_that_keeps_the_contract_passes() -> None:
    PATIENTS.check(patients())
    PATIENTS.check(patients(profile_shared=True, birth_date=date(1950, 1, 1), allergies=["nut"]))
    PATIENTS.check(patients().clear())


@pytest.mark.parametrize("value", [{"birth_date": date(1950, 1, 1)}, {"sex": "female"}, {"allergies": [CANARY]}])
def test_a_profile_without_consent_is_refused(value: dict[str, Any]) -> None:
    assert refusal(PATIENTS, patients(**value)) == "raw_patients: 1 rows break 'no profile without consent'"


def test_an_empty_required_column_is_refused_by_name() -> None:
    assert refusal(PATIENTS, patients(registered_on=None)) == "raw_patients.registered_on: 1 empty"


def test_other_columns_or_types_are_refused() -> None:
    assert "declared columns" in refusal(PATIENTS, patients().drop("sex"))
    assert "declared columns" in refusal(PATIENTS, patients().with_columns(pl.col("version").cast(pl.Int32)))


@pytest.mark.parametrize(("done", "holds"), [(0, True), (4, True), (5, False), (-1, False)])
def test_adherence_lies_between_nothing_and_everything_prescribed(done: int, holds: bool) -> None:
    row = {"patient_id": b"1", "plan_id": b"2", "day": date(2024, 1, 1), "version": 1, "prescribed": 4, "done": done}
    frame = pl.DataFrame([row], schema=dict(ADHERENCE.columns))
    if holds:
        ADHERENCE.check(frame)
    else:
        assert "no more done than prescribed" in refusal(ADHERENCE, frame)
