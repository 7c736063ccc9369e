"""Days and times that callers write: as such, never a count of seconds."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from api.app import ROUTERS
from api.bodies import Moment
from api.routers import flat
from policies.written import Day

DAYS, MOMENTS = TypeAdapter(Day), TypeAdapter(Moment)
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
