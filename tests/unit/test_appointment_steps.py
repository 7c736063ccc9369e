"""The steps of an appointment: from where, when and by whom."""

from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.appointments import TO, Status, Step, fault

NOW = datetime(2028, 2, 29, 12, tzinfo=UTC)
TODAY = date(2028, 2, 29)
OVER = (Status.CANCELLED, Status.FULFILLED, Status.NOSHOW)
STEPS = [step for step in Step if step is not Step.BOOK]


def judged(step: Step, status: Status, *, hours: int = 0, by_family: bool = False) -> str | None:
    starts_at = NOW + timedelta(hours=hours)
    return fault(step, status, day=starts_at.date(), starts_at=starts_at, now=NOW, today=TODAY, by_family=by_family)


@pytest.mark.parametrize(("step", "status"), product([s for s in STEPS if s is not Step.CORRECT], OVER))
def test_nothing_leaves_what_is_over_but_a_correction(step: Step, status: Status) -> None:
    assert judged(step, status) == f"is_{status.value}"
    assert judged(Step.CORRECT, status) is None


@pytest.mark.parametrize("step", [s for s in STEPS if s is not Step.CORRECT])
def test_a_booked_appointment_of_now_may_take_every_step(step: Step) -> None:
    assert judged(step, Status.BOOKED) is None
    assert TO[step] in Status


def test_what_is_booked_needs_no_correction_and_who_arrived_only_completes() -> None:
    assert judged(Step.CORRECT, Status.BOOKED) == "is_booked"
    assert [step for step in STEPS if judged(step, Status.ARRIVED) is None] == [Step.COMPLETE, Step.CORRECT]


@pytest.mark.parametrize(
    ("step", "hours", "by_family", "rule"),
    [
        (Step.NO_SHOW, 1, False, "not_yet"),
        (Step.NO_SHOW, 0, False, None),
        (Step.ARRIVE, 11, False, None),
        (Step.ARRIVE, 12, False, "not_yet"),
        (Step.COMPLETE, 12, False, "not_yet"),
        (Step.CANCEL, 0, True, "has_begun"),
        (Step.CANCEL, 1, True, None),
        (Step.RESCHEDULE, -1, True, "has_begun"),
        (Step.RESCHEDULE, -1, False, None),
    ],
)
def test_the_time_decides_as_well(step: Step, hours: int, by_family: bool, rule: str | None) -> None:
    assert judged(step, Status.BOOKED, hours=hours, by_family=by_family) == rule


@given(st.sampled_from(STEPS), st.sampled_from(Status), st.integers(-48, 48))
def test_families_may_never_do_what_staff_may_not(step: Step, status: Status, hours: int) -> None:
    if judged(step, status, hours=hours) is not None:
        assert judged(step, status, hours=hours, by_family=True) is not None


@given(st.sampled_from(STEPS), st.integers(-3, 3))
def test_without_a_time_the_day_decides(step: Step, days: int) -> None:
    day = TODAY + timedelta(days=days)
    found = fault(step, Status.BOOKED, day=day, starts_at=None, now=NOW, today=TODAY, by_family=False)
    late = {Step.ARRIVE, Step.COMPLETE, Step.NO_SHOW}
    assert (found == "not_yet") == (step in late and days > 0)
