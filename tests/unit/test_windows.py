"""Windows of days and calendar months."""

from datetime import date

import pytest

from policies.segments.windows import Window


@pytest.mark.parametrize(
    ("text", "day", "before"),
    [
        ("14d", date(2016, 6, 8), date(2016, 5, 25)),
        ("2w", date(2016, 6, 8), date(2016, 5, 25)),
        ("3mo", date(2024, 5, 31), date(2024, 2, 29)),
        ("3mo", date(2023, 5, 31), date(2023, 2, 28)),
        ("1y", date(2024, 2, 29), date(2023, 2, 28)),
        ("1mo", date(2024, 1, 15), date(2023, 12, 15)),
    ],
)
def test_a_window_starts_after_the_day_before_it(text: str, day: date, before: date) -> None:
    assert Window.parse(text).before(day) == before


@pytest.mark.parametrize("text", ["", "d", "0d", "-1d", "1.5d", "30", "30days", "10000d", "1001y", "1 d", "٣d"])
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a window is"):
        Window.parse(text)
