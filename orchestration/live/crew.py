"""The worker's threads: quick ones, which never wait for a clinic's lock, and patient ones, which do.

A clinic falls to one quick thread and one patient one, whose connections keep its plans. Where somebody else writes the
clinic's mart, the patient thread takes its turn behind them, and the quick ones go on with other clinics.
"""

import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from zlib import crc32
from zoneinfo import ZoneInfo

import psycopg
import structlog

from infra.database import Server
from infra.errors import DatabaseUnavailable
from infra.log import where
from orchestration.clinics import ClinicDay
from orchestration.live.attend import Left, attend
from orchestration.live.lane import Lane, open_lane
from orchestration.live.unit import begin_day
from orchestration.live.warm import warm

QUICK = 2
PATIENT = 4
PAUSE = 0.2  # seconds after a failure
# So many units of one clinic's backlog, and another clinic has its turn.
UNITS_A_TURN = 4
log = structlog.get_logger()


class Calls:
    """Clinics that somebody is to attend to, each once, in the order in which they were called."""

    def __init__(self) -> None:
        # Of each, whether its statements are only to be planned.
        self._waiting: dict[str, bool] = {}
        self._changed = threading.Condition()

    def put(self, slug: str, *, warm: bool = False) -> None:
        """Call somebody to a clinic, or only to plan for it; one call is enough until it is answered."""
        with self._changed:
            self._waiting[slug] = warm and self._waiting.get(slug, True)
            self._changed.notify()

    def get(self, timeout: float) -> tuple[str, bool] | None:
        """The next clinic, and whether it is only to be planned; none if there is none for so many seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._waiting), timeout):
                return None
            slug = next(iter(self._waiting))
            return slug, self._waiting.pop(slug)

    def planning(self) -> bool:
        """Whether one waits that is only to be planned."""
        with self._changed:
            return any(self._waiting.values())


class Crew:
    """Threads that attend to clinics; `zones` tells the clinics that there are, with their time zones."""

    def __init__(self, at: Server, zones: Mapping[str, str]) -> None:
        self._at = at
        self._zones = zones
        self._stopped = threading.Event()
        self._quick = [Calls() for _ in range(QUICK)]
        self._patient = [Calls() for _ in range(PATIENT)]
        self._failing: set[str] = set()
        answering = [(calls, False) for calls in self._quick] + [(calls, True) for calls in self._patient]
        self._threads = [threading.Thread(target=self._answer, args=given, daemon=True) for given in answering]

    def __enter__(self) -> "Crew":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def call(self, slug: str) -> None:
        """Have a clinic attended to."""
        self._calls(slug, self._quick).put(slug)

    def warm(self, slugs: Iterable[str]) -> None:
        """Have the plans of these clinics' statements made, on each connection that they fall to."""
        for slug in slugs:
            for all_calls in (self._quick, self._patient):
                self._calls(slug, all_calls).put(slug, warm=True)

    def warmed(self) -> bool:
        """Whether all plans have been made that were asked for, but for those that are being made."""
        return not any(calls.planning() for calls in [*self._quick, *self._patient])

    @staticmethod
    def _calls(slug: str, all_calls: list[Calls]) -> Calls:
        # By other bits than those that share clinics among workers: each worker's would all go to one thread.
        return all_calls[(crc32(slug.encode()) >> 16) % len(all_calls)]

    def _answer(self, calls: Calls, wait: bool) -> None:
        """Answer calls, on a connection that is made anew when it breaks."""
        while not self._stopped.is_set():
            try:
                with open_lane(self._at) as lane:
                    while not self._stopped.is_set():
                        if (call := calls.get(PAUSE)) is None:
                            continue
                        slug, only_plan = call
                        if only_plan:
                            self._plan(lane, slug)
                        else:
                            self._attend(lane, calls, slug, wait)
            except (psycopg.OperationalError, DatabaseUnavailable):
                self._stopped.wait(PAUSE)

    def _plan(self, lane: Lane, slug: str) -> None:
        warm(lane, slug)
        if (zone := self._zones.get(slug)) and not lane.knows(
            ClinicDay(slug, datetime.now(ZoneInfo(zone)).date()), zone
        ):
            self.call(slug)  # a midnight was missed

    def _attend(self, lane: Lane, calls: Calls, slug: str, wait: bool) -> None:
        zone = self._zones.get(slug)
        if zone is None:
            return  # archived, or so new that it has not been seen: it is called again
        now = datetime.now(ZoneInfo(zone))
        clinic = ClinicDay(slug, now.date())
        try:
            if begun := lane.knows(clinic, zone) or begin_day(lane, clinic, now, wait=wait):
                lane.zones[slug] = zone
            left = attend(lane, clinic, wait=wait, units=UNITS_A_TURN) if begun else Left.LOCKED
            if left is Left.LOCKED:
                self._calls(slug, self._patient).put(slug)
            elif left is Left.MORE:  # behind those who wait
                self.call(slug)
            self._failing.discard(slug)
        except psycopg.OperationalError:  # the connection, or who came first: it passes
            calls.put(slug)
            if lane.connection.broken:
                raise
            self._stopped.wait(PAUSE)
        except Exception as error:  # the clinic is called again while something waits there; the others go on
            if slug not in self._failing:
                log.error("a clinic is not brought up to date", clinic=slug, **where(error))
            self._failing.add(slug)
