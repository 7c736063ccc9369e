"""Free times: a grid of a service's length within a clinic's hours, less what is taken, by the clinic's own clock."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from policies.opening_hours import USUAL, free, is_offered, spans

BERLIN = ZoneInfo("Europe/Berlin")
WEDNESDAY, SATURDAY = date(2026, 3, 4), date(2026, 3, 7)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def at(clock: str, day: date = WEDNESDAY) -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=BERLIN)


def shown(hours: str, minutes: int, *taken: tuple[str, str], after: datetime = LONG_AGO, day: date = WEDNESDAY) -> str:
    busy = [(at(begin, day), at(end, day)) for begin, end in taken]
    week = dict.fromkeys(("wed", "sun"), hours)
    found = free(week, day, "Europe/Berlin", minutes, busy, after=after)
    return " ".join(f"{each.astimezone(BERLIN):%H:%M}" for each in found)


@pytest.mark.parametrize(
    ("hours", "minutes", "taken", "times"),
    [
        ("08:00-10:00", 30, [], "08:00 08:30 09:00 09:30"),
        ("08:00-09:40", 30, [], "08:00 08:30 09:00"),
        ("08:00-10:00 13:00-14:00", 60, [], "08:00 09:00 13:00"),
        ("", 30, [], ""),
        # What only touches is free; what overlaps by a minute is not.
        ("08:00-10:00", 30, [("08:30", "09:00")], "08:00 09:00 09:30"),
        ("08:00-10:00", 30, [("08:29", "09:01")], "09:30"),
        ("08:00-10:00", 60, [("08:15", "08:20")], "09:00"),
        ("08:00-10:00", 30, [("07:00", "18:00")], ""),
    ],
)
def test_times_are_free_within_the_hours_where_nothing_is_taken(
    hours: str, minutes: int, taken: list[tuple[str, str]], times: str
) -> None:
    assert shown(hours, minutes, *taken) == times


def test_what_is_over_is_not_free() -> None:
    assert shown("08:00-10:00", 30, after=at("08:30")) == "09:00 09:30"


def test_usual_days_are_the_five_of_the_week() -> None:
    assert len(free(USUAL, WEDNESDAY, "Europe/Berlin", 60, [], after=LONG_AGO)) == 10
    assert free(USUAL, SATURDAY, "Europe/Berlin", 60, [], after=LONG_AGO) == []


@pytest.mark.parametrize(("day", "hours_open"), [(date(2026, 3, 29), 5), (date(2026, 10, 25), 7)])
def test_where_clocks_are_put_forward_or_back_no_hour_is_offered_twice_or_is_none(day: date, hours_open: int) -> None:
    found = free({"sun": "00:00-06:00"}, day, "Europe/Berlin", 60, [], after=LONG_AGO)
    assert len(set(found)) == len(found) == hours_open
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(hours=1)}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("8:00-18:00", "no hours such as"), ("08:00", "no hours such as"), ("25:00-26:00", "hour must be in"),
        ("18:00-08:00", "end before they begin"), ("08:00-08:00", "end before they begin"),
        ("08:00-12:00 11:00-13:00", "begin before those named before"), (" " * 200, "more than a day's"),
    ],
)  # fmt: skip
def test_what_is_no_hours_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        spans(text)


@pytest.mark.parametrize(
    ("clock", "minutes", "offered"),
    [
        ("10:00", 30, True), ("10:30", 30, True), ("11:30", 30, True), ("09:30", 30, False), ("12:00", 30, False),
        ("10:15", 30, False), ("10:00:01", 30, False), ("11:00", 60, True), ("10:30", 60, False), ("10:00", 121, False),
    ],
)  # fmt: skip
def test_a_time_is_offered_on_the_grid_of_its_service_within_the_hours(clock: str, minutes: int, offered: bool) -> None:
    asked = at(clock)
    for same in (asked, asked.astimezone(UTC), asked.astimezone(ZoneInfo("Pacific/Kiritimati"))):
        assert is_offered({"wed": "10:00-12:00"}, same, "Europe/Berlin", minutes) is offered


def test_a_clinic_that_says_nothing_has_the_usual_hours() -> None:
    assert is_offered(None, at("08:00"), "Europe/Berlin", 30)
    assert not is_offered(None, at("08:00", SATURDAY), "Europe/Berlin", 30)
    assert not is_offered({}, at("08:00"), "Europe/Berlin", 30)
