"""How workers share the clinics: each holds a place, and looks first after those whose slugs fall to it.

A place is a lock of the worker's connection, so it is free again the moment that the worker is gone.
"""

from collections.abc import Iterable
from itertools import count
from zlib import crc32

import psycopg

from infra.live_health import LIVE_PLACES, PLACES


class Share:
    """This worker's place among those that there are."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._place = self._take()
        self._rank, self._workers = 0, 1
        self.refresh()

    def refresh(self) -> None:
        """See who else is there."""
        places = _places(self._connection)
        self._rank, self._workers = places.index(self._place), len(places)

    def mine(self, slug: str) -> bool:
        """Whether a clinic falls to this worker."""
        return crc32(slug.encode()) % self._workers == self._rank

    def _take(self) -> int:
        place = 0
        while self._connection.execute("select pg_try_advisory_lock(%s, %s)", [PLACES, place]).fetchone() != (True,):
            place += 1
        return place


def falling(connection: psycopg.Connection, slugs: Iterable[str]) -> list[str]:
    """Which clinics would fall to a worker that took the next place."""
    places = _places(connection)
    place = next(number for number in count() if number not in places)
    rank = sorted([*places, place]).index(place)
    return [slug for slug in slugs if crc32(slug.encode()) % (len(places) + 1) == rank]


def _places(connection: psycopg.Connection) -> list[int]:
    return [place for (place,) in connection.execute(LIVE_PLACES, [PLACES])]
