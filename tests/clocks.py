"""A clock that stands, and instants around midnight where a clinic's clocks change, with its day then.

Berlin's clocks go forward in the night to 31 March, and back in the night to 27 October.
"""

from datetime import date, datetime, tzinfo

CLOCKS_CHANGE = [
    ("2024-03-30T22:59:59Z", date(2024, 3, 30)),
    ("2024-03-30T23:00:00Z", date(2024, 3, 31)),
    ("2024-03-31T02:59:59Z", date(2024, 3, 31)),  # midnight three hours behind Greenwich
    ("2024-03-31T03:00:00Z", date(2024, 3, 31)),
    ("2024-03-31T21:59:59Z", date(2024, 3, 31)),
    ("2024-03-31T22:00:00Z", date(2024, 4, 1)),
    ("2024-10-26T21:59:59Z", date(2024, 10, 26)),
    ("2024-10-26T22:00:00Z", date(2024, 10, 27)),
    ("2024-10-27T22:59:59Z", date(2024, 10, 27)),
    ("2024-10-27T23:00:00Z", date(2024, 10, 28)),
]


def standing_at(instant: datetime) -> type[datetime]:
    """Stands where a module has `datetime`, whose time it is from then on."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return instant.astimezone(tz)

    return Clock
