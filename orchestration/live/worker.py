"""`cloister live`: listens for changes, and calls its crew to the clinics that have some.

A notification can be lost with a connection, so the worker looks for itself every second as well. Several workers may
run: each looks after its share of the clinics, and after another's where something has waited for two looks.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from math import ceil
from zoneinfo import ZoneInfo

import psycopg
import structlog

from infra.database import Server, connect
from infra.errors import CloisterError
from infra.log import where
from infra.roles import Login
from orchestration.clinics import without_zone
from orchestration.live.crew import PAUSE, Crew
from orchestration.live.share import Share, falling

CHANNEL = "cloister_outbox"
EVERY = 1.0  # seconds between two looks
# Whose rules changed, or whom an ingest noted, no login can see from outside of the clinic.
SWEEP = 60.0  # seconds between two visits to a clinic
log = structlog.get_logger()


def run(at: Server, stopped: Callable[[], bool] = lambda: False) -> None:
    """Keep the marts and segments of all clinics up to date until stopped; what fails is tried again."""
    failed = False
    zones: dict[str, str] = {}
    with Crew(at, zones) as crew:
        while not stopped():
            try:
                with connect(Login.PIPELINE, at=at, autocommit=True) as connection:
                    failed = False
                    _Watch(connection, crew, zones).keep(stopped)
            except (psycopg.Error, CloisterError) as error:
                if not failed:  # once, and not every second
                    log.error("the live worker has no database", **where(error))
                failed = True
                time.sleep(PAUSE)


@dataclass
class _Watch:
    """One connection's time of listening and looking."""

    connection: psycopg.Connection
    crew: Crew
    zones: dict[str, str]
    # The day for which each clinic was called last, and when it was visited, oldest first.
    called: dict[str, date] = field(default_factory=dict)
    visited: dict[str, float] = field(default_factory=dict)
    # Clinics of other workers where something waited at the last look.
    others: set[str] = field(default_factory=set)
    # Clinics that are in no time zone: others are not to wait for them.
    nowhere: set[str] = field(default_factory=set)

    def keep(self, stopped: Callable[[], bool]) -> None:
        # Before the first look: what is committed after that has its notification.
        self.connection.execute(f"listen {CHANNEL}")
        self._warm(stopped)
        share = Share(self.connection)
        while not stopped():
            self._look(share)
            end = time.monotonic() + EVERY
            while (left := end - time.monotonic()) > 0:
                for notice in self.connection.notifies(timeout=left, stop_after=1):
                    if share.mine(notice.payload):
                        self.crew.call(notice.payload)

    def _warm(self, stopped: Callable[[], bool]) -> None:
        """Plan before taking a place: meanwhile others look after these clinics."""
        self._clinics()
        mine = falling(self.connection, self.zones)
        self.crew.warm(mine)
        while not stopped() and not self.crew.warmed():
            time.sleep(0.02)
        self.called = {slug: self._today(slug) for slug in mine}

    def _clinics(self) -> set[str]:
        """See which clinics there are; where something waits."""
        rows = self.connection.execute(_WAITING).fetchall()
        there = {slug: zone for slug, zone, _ in rows}
        nowhere = set(without_zone(there))
        for slug in nowhere - self.nowhere:  # once, and not every second
            log.error("a clinic is in no time zone and is left out", clinic=slug)
        self.nowhere = nowhere
        there = {slug: zone for slug, zone in there.items() if slug not in nowhere}
        self.zones.update(there)
        for slug in self.zones.keys() - there.keys():  # archived, or nowhere
            del self.zones[slug]
        return {slug for slug, _, waits in rows if waits and slug in there}

    def _look(self, share: Share) -> None:
        waiting = self._clinics()
        share.refresh()
        mine = [slug for slug in self.zones if share.mine(slug)]
        for slug in mine:
            self._call_mine(slug, slug in waiting)
        self._sweep(mine)
        overdue = {slug for slug in waiting if not share.mine(slug)}
        for slug in overdue & self.others:
            self.crew.call(slug)
        self.others = overdue

    def _call_mine(self, slug: str, waits: bool) -> None:
        """A clinic is called when something waits there, and once a day for what time alone changes."""
        today = self._today(slug)
        if waits or self.called.get(slug) != today:
            self.called[slug] = today
            self.crew.call(slug)

    def _today(self, slug: str) -> date:
        return datetime.now(ZoneInfo(self.zones[slug])).date()

    def _sweep(self, mine: Sequence[str]) -> None:
        """Visit each clinic once in a while, a few at each look: all at once, they would hold up changes."""
        now = time.monotonic()
        due = [slug for slug in mine if now - self.visited.get(slug, 0.0) >= SWEEP]
        # Whoever waits longest comes first: looks take time, and the last ones would never have their turn.
        due.sort(key=lambda slug: self.visited.get(slug, 0.0))
        for slug in due[: ceil(len(mine) * EVERY / SWEEP)]:
            self.visited[slug] = now
            self.crew.call(slug)


_WAITING = """
select slug, time_zone, exists (select from operational.outbox as o where o.clinic_id = c.clinic_id)
from operational.clinic as c where archived_at is null
"""
