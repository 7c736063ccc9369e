"""Windows of calendar months, whatever their length and the day they end on."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from policies.segments.windows import Window


@given(st.integers(1, 9999), st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_months_clamp_and_never_skip_a_month(months: int, day: date) -> None:
    before = Window.parse(f"{months}mo").before(day)
    assert (day.year * 12 + day.month) - (before.year * 12 + before.month) == months
    assert before.day <= day.day
