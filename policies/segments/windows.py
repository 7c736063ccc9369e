"""Windows of days that end on the as-of date: `30d`, `2w`, `3mo`, `1y`.

A window of `30d` as of day D holds the days after D - 30 days, up to and with D. Months and years
are calendar months, clamped to a month's end as PostgreSQL's intervals are: three months before
31 May is 28 or 29 February.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta

PATTERN = r"^([1-9][0-9]{0,3}(d|w|mo)|([1-9][0-9]{0,2}|1000)y)$"
# What lies before it must be a day that the database knows.
LONGEST_MONTHS = 12 * 1000
_SHAPE = re.compile(r"[1-9][0-9]{0,3}(d|w|mo|y)")
DAYS_A_MONTH = 365.25 / 12


@dataclass(frozen=True)
class Window:
    """A length of time in days or in calendar months; one of the two is 0."""

    days: int
    months: int

    @classmethod
    def parse(cls, text: str) -> "Window":
        """Read `30d`, `2w`, `3mo` or `1y`.

        Raises:
            ValueError: not a whole number from 1 to 9999 with one of these units, or beyond 1000 years.
        """
        if not _SHAPE.fullmatch(text):
            raise ValueError("a window is a whole number with d, w, mo or y, from 1 to 9999, such as 30d or 3mo")
        number = int(re.sub(r"\D", "", text))
        unit = text.lstrip("0123456789")
        window = {
            "d": cls(number, 0),
            "w": cls(7 * number, 0),
            "mo": cls(0, number),
            "y": cls(0, 12 * number),
        }[unit]
        if window.months > LONGEST_MONTHS:
            raise ValueError(f"a window is at most {LONGEST_MONTHS // 12} years long")
        return window

    @property
    def length_in_months(self) -> float:
        """Its length in months; one has 30.4375 days."""
        return float(self.months) or self.days / DAYS_A_MONTH

    def before(self, day: date) -> date:
        """The last day before the window that ends on `day`.

        Raises:
            OverflowError: that day would lie before year 1.
        """
        if not self.months:
            return day - timedelta(days=self.days)
        month = day.year * 12 + day.month - 1 - self.months
        year, month = divmod(month, 12)
        if year < 1:
            raise OverflowError("the window reaches back before year 1")
        return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
