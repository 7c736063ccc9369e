"""The days on which a verdict changes by time alone."""

from datetime import date, timedelta

import pytest

from policies.segments.explanation import explain
from policies.segments.flips import HORIZON_DAYS
from policies.segments.measure import FactTable
from policies.segments.reference import Patient
from policies.segments.text import read
from policies.segments.values import Row
from tests.unit.records_of import AS_OF, form, patient, visit


def born(day: str, facts: dict[FactTable, list[Row]] | None = None) -> Patient:
    return patient(facts, birth_date=date.fromisoformat(day))


def since(day: str) -> Patient:
    return patient(registered_on=date.fromisoformat(day))


def seen(*days: str, status: str = "fulfilled") -> Patient:
    return patient({FactTable.APPOINTMENTS: [visit(number, day, status) for number, day in enumerate(days)]})


DUE = {FactTable.FORMS: [form(1, "2024-05-01", due_on=date(2024, 6, 3))]}
BOOKED = seen("2024-06-10", status="booked")


@pytest.mark.parametrize(
    ("rule", "of", "holds", "changes"),
    [
        # Birthdays: on the day itself, and of 29 February on 1 March.
        ("age >= 18", born("2006-06-01"), False, [("2024-06-01", True)]),
        ("age = 18", born("2006-05-31"), True, [("2025-05-31", False)]),
        ("age > 65", born("1960-02-29"), False, [("2026-03-01", True)]),
        ("age > 63", born("1960-02-29"), True, []),
        ("age between 18 and 19", born("2006-07-01"), False, [("2024-07-01", True), ("2026-07-01", False)]),
        ("age is known", born("2024-07-01"), False, [("2024-07-01", True)]),
        ("age > 90", born("2000-01-01"), False, []),
        # Registration.
        ("registration.days <= 30", since("2024-05-31"), True, [("2024-07-01", False)]),
        ("registration.days < 30.5", since("2024-05-31"), True, [("2024-07-01", False)]),
        ("registration.days = 7", since("2024-05-30"), False, [("2024-06-06", True), ("2024-06-07", False)]),
        # Rows leave windows: of days, and of months whose ends are clamped.
        ("appointments.count(30d) = 0", seen("2024-05-31"), False, [("2024-06-30", True)]),
        ("appointments.count(1mo) = 0", seen("2024-05-31"), False, [("2024-07-01", True)]),
        ("appointments.count(9mo) = 0", seen("2024-05-30"), False, [("2025-03-01", True)]),
        ("appointments.count(9mo) = 0", seen("2024-05-28"), False, [("2025-02-28", True)]),
        # Facts come in on their day.
        ("appointments.count = 1", seen("2024-06-02", "2024-06-04"), False,
         [("2024-06-02", True), ("2024-06-04", False)]),
        # What is next passes.
        ("appointments.days_until_next <= 2", BOOKED, False, [("2024-06-08", True), ("2024-06-11", None)]),
        ("appointments.next_on is known", BOOKED, True, [("2024-06-11", False)]),
        ("appointments.days_since_last > 89", seen("2024-05-31"), False, [("2024-08-29", True)]),
        # Forms fall due.
        ("forms.overdue > 0", patient(DUE), False, [("2024-06-04", True)]),
        # That one expires is a change of its row, and not looked ahead to.
        ("forms.pending > 0", patient(DUE), True, []),
        ("forms.expired > 0", patient(DUE), False, []),
        # Together: what another part hides is no change.
        ("age >= 18 and forms.overdue = 0", born("2006-06-01", DUE), False,
         [("2024-06-01", True), ("2024-06-04", False)]),
        ("age >= 18 or registration.days > 0", born("2006-06-01"), True, []),
        ('age >= 18 and sex = "female"', born("2006-06-01"), False, [("2024-06-01", None)]),
        ("not (age >= 18)", born("2006-06-01"), True, [("2024-06-01", False)]),
    ],
)  # fmt: skip
def test_a_verdict_names_the_days_on_which_it_changes(
    rule: str, of: Patient, holds: bool | None, changes: list[tuple[str, bool | None]]
) -> None:
    found = explain(read(rule), of, AS_OF).whole
    assert found.holds is holds
    assert [(str(day), verdict) for day, verdict in found.course.steps[1:]] == changes
    assert str(found.course.changes_on) == (changes[0][0] if changes else "None")


def test_ten_years_are_looked_at_and_no_day_more() -> None:
    last = AS_OF + timedelta(days=HORIZON_DAYS)
    for day, seen in ((last, last), (last + timedelta(days=1), None)):
        booked = patient({FactTable.APPOINTMENTS: [visit(1, str(day))]})
        assert explain(read("appointments.count > 0"), booked, AS_OF).whole.course.changes_on == seen


def test_constants_however_far_away_are_looked_at_on_their_days_alone() -> None:
    """As many as a list has, and visits at both ends of time."""
    far = [-(10.0**15), *range(1, 4000, 8), 3_652_058, 10**15]
    rule = read(f"appointments.days_since_last in {[float(days) for days in far]}")
    seen_on = AS_OF - timedelta(days=4)
    steps = explain(rule, seen("0001-01-01", str(seen_on), "9999-12-31"), AS_OF).whole.course.steps[1:]
    days = {seen_on + timedelta(days=days + beside) for days in range(1, 4000, 8) for beside in (0, 1)}
    assert {day for day, _ in steps} == {day for day in days if 0 < (day - AS_OF).days <= HORIZON_DAYS}
