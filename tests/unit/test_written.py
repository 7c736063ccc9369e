"""Days, times, numbers and truth values that callers write: as such, and nothing that is only like one."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import pytest
from fastapi.params import Body
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from api.app import ROUTERS
from api.bodies import Moment
from api.editing import schemas
from api.fhir.routes import router as fhir
from api.routers import flat
from policies.written import Day, Written
from tests.clocks import standing_at

DAYS, MOMENTS, BIRTH_DATES = TypeAdapter(Day), TypeAdapter(Moment), TypeAdapter(schemas.BirthDate)
COUNTS = st.integers() | st.floats() | st.integers().map(str) | st.floats().map(str) | st.booleans() | st.none()


@pytest.mark.check(41)
@given(COUNTS | st.datetimes() | st.datetimes().map(datetime.isoformat))
def test_a_day_is_no_number_and_no_time(value: object) -> None:
    with pytest.raises(ValidationError):
        DAYS.validate_python(value)


@pytest.mark.check(41)
@given(COUNTS | st.dates() | st.dates().map(date.isoformat))
def test_a_time_is_no_number_and_no_day(value: object) -> None:
    with pytest.raises(ValidationError):
        MOMENTS.validate_python(value)


@given(st.dates())
def test_a_day_is_taken_as_it_is_written(day: date) -> None:
    assert DAYS.validate_python(day.isoformat()) == DAYS.validate_python(day) == day


@given(st.integers(-2_000_000_000, 7_000_000_000), st.integers(-720, 840))
def test_a_time_is_taken_as_it_is_written(seconds: int, minutes: int) -> None:
    at = datetime.fromtimestamp(seconds, timezone(timedelta(minutes=minutes)))
    written = at.isoformat(timespec="minutes" if at.second == 0 else "seconds")
    assert MOMENTS.validate_python(written) == MOMENTS.validate_python(at) == at


@pytest.mark.parametrize(("hour", "today"), [(9, "2026-03-01"), (10, "2026-03-02")])
def test_who_was_born_on_a_day_that_has_begun_at_some_clinic_is_born(
    monkeypatch: pytest.MonkeyPatch, hour: int, today: str
) -> None:
    monkeypatch.setattr(schemas, "datetime", standing_at(datetime(2026, 3, 1, hour, tzinfo=UTC)))
    assert BIRTH_DATES.validate_python(today).isoformat() == today
    with pytest.raises(ValidationError, match="is in the future"):
        BIRTH_DATES.validate_python((date.fromisoformat(today) + timedelta(days=1)).isoformat())


def parameters(route: APIRoute) -> Iterator[Any]:
    """The fields of queries and bodies that a route reads, those of its dependencies among them."""
    waiting = [route.dependant]
    while waiting:
        one = waiting.pop()
        waiting += one.dependencies
        yield from (*one.query_params, *one.body_params)


def taken(schema: Any) -> Iterator[tuple[str, Any]]:
    """Each place of a pydantic core schema that takes a day or a time, by the kinds of schema around it."""
    if isinstance(schema, dict):
        if schema.get("type") in ("date", "datetime"):
            yield schema["type"], schema
        # What is read before a field tells a number from a day.
        if schema.get("type") == "function-before":
            return
        for part in schema.values():
            yield from taken(part)
    elif isinstance(schema, list | tuple):
        for part in schema:
            yield from taken(part)


@pytest.mark.check(41)
def test_no_body_and_no_query_takes_a_number_for_a_day() -> None:
    found = {
        (route.path, field.name, kind)
        for route in flat(ROUTERS)
        if isinstance(route, APIRoute)
        for field in parameters(route)
        for kind, _ in taken(TypeAdapter(field.field_info.annotation).core_schema)
    }  # fmt: skip
    assert found == set()


class Plain(BaseModel):
    whole: int = 0


class WithPlain(Written):
    plain: Plain
    plains: list[Plain]


class Colour(StrEnum):
    RED = "red"


class Part(Written):
    whole: int = 0


class Whole(Part):
    many: Annotated[int | None, Field(ge=1)] = None
    number: float | None = None
    truth: bool = False
    parts: tuple[Part, ...] = ()
    steps: dict[int, float | str] | None = None
    colour: Colour | None = None
    one: UUID | None = None
    day: Day | None = None
    under: "Whole | None" = None


@pytest.mark.check(41)
@pytest.mark.parametrize("field", ["whole", "many"])
@given(st.floats() | st.booleans() | st.integers().map(str) | st.floats().map(str))
def test_a_whole_number_is_no_text_no_truth_and_has_no_point(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Whole.model_validate({field: value})


@pytest.mark.check(41)
@given(st.booleans() | st.integers().map(str) | st.floats().map(str))
def test_a_number_is_no_text_and_no_truth(value: object) -> None:
    with pytest.raises(ValidationError):
        Whole.model_validate({"number": value})


@pytest.mark.check(41)
@given(st.integers(0, 1) | st.floats(0, 1) | st.sampled_from(["true", "false", "yes", "no", "on", "1", "0", ""]))
def test_true_and_false_are_no_numbers_and_no_words(value: object) -> None:
    with pytest.raises(ValidationError):
        Whole.model_validate({"truth": value})


@pytest.mark.check(41)
@pytest.mark.parametrize(
    ("sent", "place"),
    [
        ({"parts": [{"whole": 1}, {"whole": "1"}]}, ("parts", 1, "whole")),
        ({"under": {"under": {"truth": 1}}}, ("under", "under", "truth")),
        ({"under": {"whole": 1.0}}, ("under", "whole")),
    ],
)
def test_parts_are_as_exact_and_say_where(sent: dict[str, Any], place: tuple[str | int, ...]) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(Whole | None).validate_python(sent)
    assert [fault["loc"] for fault in refused.value.errors()] == [place]


def test_another_model_in_one_that_is_written_stays_as_it_is() -> None:
    class Later(BaseModel):
        plain: Plain

    assert WithPlain.model_validate({"plain": {"whole": "1"}, "plains": []}).plain == Plain(whole=1)
    assert Plain.model_validate({"whole": "1"}) == Later.model_validate({"plain": {"whole": "1"}}).plain


def test_what_json_can_only_write_as_a_text_is_taken() -> None:
    texts = {"colour": "red", "one": "0b0f8f0e-5a4c-4d0f-9d53-5f3b0a1e2c11", "day": "2026-01-31"}
    taken = Whole.model_validate({**texts, "parts": [{"whole": 2}], "steps": {"3": 4, "5": "six"}, "number": 7})
    assert (taken.colour, str(taken.one), taken.day) == (Colour.RED, texts["one"], date(2026, 1, 31))
    assert (taken.parts, taken.steps, taken.number) == ((Part(whole=2),), {3: 4.0, 5: "six"}, 7.0)


def test_a_form_of_texts_is_read_with_numbers_and_truth_in_it() -> None:
    typed = {"whole": "1", "many": "2", "number": "3.5", "truth": "true", "parts": [{"whole": "4"}]}
    taken = Whole.model_validate(typed, strict=False)
    assert taken == Whole(whole=1, many=2, number=3.5, truth=True, parts=(Part(whole=4),))
    with pytest.raises(ValidationError):
        Whole.model_validate({"whole": "1.5"}, strict=False)


def lax(schema: Any) -> Iterator[str]:
    """The kinds of number and truth that a pydantic core schema takes from other kinds, keys of objects apart."""
    if isinstance(schema, dict):
        if schema.get("type") in ("int", "float", "bool") and not schema.get("strict"):
            yield schema["type"]
        for name, part in schema.items():
            if name != "keys_schema":
                yield from lax(part)
    elif isinstance(schema, list | tuple):
        for part in schema:
            yield from lax(part)


@pytest.mark.check(41)
def test_no_body_takes_a_text_for_a_number_or_a_number_for_a_truth() -> None:
    bodies = {
        (route.path, field.name, field.field_info.annotation)
        for route in flat([*ROUTERS, fhir])
        if isinstance(route, APIRoute)
        for field in parameters(route)
        if type(field.field_info) is Body
    }
    assert len(bodies) > 50
    assert {(path, kind) for path, _, body in bodies for kind in lax(TypeAdapter(body).core_schema)} == set()
