"""How far a plan is: sums up to today, and a streak that today does not break before it is over."""

from datetime import date, timedelta

import pytest

from policies.plans import Day, Progress, progress

TODAY = date(2026, 3, 1)


def days(*done: int, prescribed: int = 2, last: date = TODAY) -> list[Day]:
    """Days in a row up to a last one."""
    return [Day(last - timedelta(days=len(done) - 1 - n), prescribed, times) for n, times in enumerate(done)]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], Progress(0, 0, 0)),
        (days(2, 2, 2), Progress(6, 6, 3)),
        (days(2, 2, 0), Progress(6, 4, 2)),
        (days(2, 2, 1), Progress(6, 5, 2)),
        (days(2, 0, 2), Progress(6, 4, 1)),
        (days(2, 1, 0), Progress(6, 3, 0)),
        (days(2, 0, last=TODAY - timedelta(days=1)), Progress(4, 2, 0)),
        (days(2, 2, last=TODAY - timedelta(days=9)), Progress(4, 4, 2)),
        (days(2, 2, 0, 0, last=TODAY + timedelta(days=2)), Progress(4, 4, 2)),
    ],
)
def test_progress_is_what_a_calendar_shows(found: list[Day], expected: Progress) -> None:
    assert progress(found, TODAY) == progress(reversed(found), TODAY) == expected
