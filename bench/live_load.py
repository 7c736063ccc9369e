"""Patients' appointments that change again and again, and a follower of the feed who tells when each is in it."""

import threading
import time
from collections import deque
from dataclasses import dataclass
from uuid import UUID

import psycopg
from psycopg import sql

from bench.scale import AS_OF
from infra.database import Server, connect_admin
from infra.roles import clinic_schema

SERVICE = "live-bench"
RATE = 100.0  # changes a second
PATIENCE = 30.0  # seconds until a change counts as lost
# Attended or cancelled in turn: the patient enters and leaves a segment.
_CHANGE = """
update operational.appointment set status = case when status = 'fulfilled' then 'cancelled' else 'fulfilled' end
where clinic_id = %s and appointment_id = %s
"""


@dataclass(frozen=True)
class Change:
    """Milliseconds of the change's own transaction, and from its commit until its event was read from the feed."""

    own: float
    seen: float


@dataclass(frozen=True)
class _Patient:
    slug: str
    clinic_id: int
    patient: UUID
    appointment: UUID


@dataclass
class _Open:
    whose: _Patient
    began: float
    committed: float = 0.0
    seen: float = 0.0


class Pool:
    """Appointments of the benchmark's own service in every clinic, made by `fill` and taken away by `drain`."""

    def __init__(self, at: Server, slugs: list[str]) -> None:
        self.at = at
        self.slugs = slugs

    def fill(self, of_each: int) -> None:
        """Give so many patients of each clinic an appointment that was cancelled."""
        with connect_admin(self.at) as admin:
            for slug in self.slugs:
                admin.execute(
                    "insert into operational.appointment (clinic_id, patient_id, service, status, booked_on, starts_on)"
                    " select clinic_id, patient_id, %s, 'cancelled', %s, %s from operational.registration"
                    " inner join operational.clinic using (clinic_id) where slug = %s order by patient_id limit %s",
                    [SERVICE, AS_OF, AS_OF, slug, of_each],
                )

    def patients(self) -> list[_Patient]:
        """Everybody, clinic after clinic in turn."""
        with connect_admin(self.at) as admin:
            rows = admin.execute(
                "select slug, clinic_id, patient_id, appointment_id from operational.appointment"
                " inner join operational.clinic using (clinic_id) where service = %s"
                " order by row_number() over (partition by clinic_id order by patient_id), slug",
                [SERVICE],
            )
            return [_Patient(*row) for row in rows]

    def change_all(self) -> int:
        """Change every one of them, a transaction a clinic; how many."""
        with connect_admin(self.at) as admin:
            return sum(
                admin.execute(
                    "update operational.appointment set status = 'fulfilled' where service = %s and clinic_id ="
                    " (select clinic_id from operational.clinic where slug = %s)",
                    [SERVICE, slug],
                ).rowcount
                for slug in self.slugs
            )

    def drain(self) -> None:
        """Take the appointments away, here and in the marts."""
        with connect_admin(self.at) as admin:
            admin.execute("set session_replication_role = replica")
            admin.execute("delete from operational.appointment where service = %s", [SERVICE])
            admin.execute("truncate operational.outbox")
            for slug in self.slugs:
                schema = sql.Identifier(clinic_schema(slug))
                admin.execute(sql.SQL("delete from {}.raw_appointments where service = %s").format(schema), [SERVICE])


class Load:
    """Changes at a steady rate while the block runs; `changes` afterwards."""

    def __init__(self, at: Server, pool: Pool) -> None:
        self.changes: list[Change] = []
        self._at = at
        self._free = deque(pool.patients())
        self._slugs = pool.slugs
        self._open: dict[UUID, _Open] = {}
        self._lock = threading.Lock()
        self._stopped, self._following = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._write, self._follow)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        if self._open:
            raise AssertionError(f"{len(self._open)} changes never came into the feed")

    def _write(self) -> None:
        self._following.wait()
        due = time.perf_counter()
        with connect_admin(self._at) as admin:
            while not self._stopped.is_set():
                if self._free and time.perf_counter() >= due:
                    self._change(admin, self._free.popleft())
                    due += 1 / RATE
                else:
                    time.sleep(0.001)

    def _change(self, admin: psycopg.Connection, patient: _Patient) -> None:
        self._open[patient.patient] = change = _Open(patient, time.perf_counter())
        admin.execute(_CHANGE, [patient.clinic_id, patient.appointment])
        with self._lock:
            change.committed = time.perf_counter()
            self._close(change)

    def _close(self, change: _Open) -> None:
        """Note a change once it is both committed and seen: the follower may be quicker than who committed."""
        if change.committed and change.seen:
            own, seen = change.committed - change.began, max(change.seen - change.committed, 0.0)
            self.changes.append(Change(1000 * own, 1000 * seen))
            del self._open[change.whose.patient]
            self._free.append(change.whose)

    def _follow(self) -> None:
        with connect_admin(self._at) as admin, connect_admin(self._at) as listening:
            listening.execute("listen cloister_changes")
            runs = {slug: _run(admin, slug) for slug in self._slugs}
            self._following.set()
            end = None
            while end is None or (self._open and time.monotonic() < end):
                for notice in listening.notifies(timeout=0.2, stop_after=1):
                    runs[notice.payload] = self._read(admin, notice.payload, runs[notice.payload])
                if self._stopped.is_set() and end is None:
                    end = time.monotonic() + PATIENCE

    def _read(self, admin: psycopg.Connection, slug: str, after: int) -> int:
        """Read on in a clinic's feed; the last run that was read."""
        query = sql.SQL("select run, patient_id from {}.segment_change where run > %s").format(
            sql.Identifier(clinic_schema(slug))
        )
        rows = admin.execute(query, [after]).fetchall()
        now = time.perf_counter()
        for _, patient in rows:
            with self._lock:
                if (change := self._open.get(patient)) is not None:
                    change.seen = now
                    self._close(change)
        return max([after, *(run for run, _ in rows)])


def _run(admin: psycopg.Connection, slug: str) -> int:
    query = sql.SQL("select run from {}.segment_clock").format(sql.Identifier(clinic_schema(slug)))
    row = admin.execute(query).fetchone()
    return int(row[0]) if row else 0
