"""A connection of the worker: it keeps the plans of its clinics' statements, and their compiled programs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

import psycopg

from infra.database import Server, clinic_transaction, connect
from infra.roles import ClinicKind, Login
from orchestration.clinics import ClinicDay
from orchestration.programs import note_broken, sound_segments
from orchestration.reevaluate import CLINICS_A_CONNECTION, keep_plans
from policies.segments.compiler import ActiveSegment
from policies.segments.reconcile import Program, compile_program

# Of each clinic the programs of its rules, and some statements that copy and take.
STATEMENTS_A_CLINIC = 10


@dataclass(frozen=True)
class Compiled:
    """The program of a clinic's sound segments, by a digest of its rules; `broken` if there are others."""

    rules: int
    program: Program
    sound: list[ActiveSegment]
    broken: bool


@dataclass(frozen=True)
class Lane:
    """One connection, used by one thread; `programs` are those of the rules that a clinic was last met with.

    `days` are those that its members stood for then, by the mart: the clock of this process may be ahead of the
    database's, and a build may set the day back. `zones` are the time zones by which its midnight was last looked for.
    """

    at: Server
    connection: psycopg.Connection
    programs: dict[str, Compiled] = field(default_factory=dict)
    days: dict[str, date] = field(default_factory=dict)
    zones: dict[str, str] = field(default_factory=dict)

    def meet(self, slug: str, day: date) -> None:
        """Note for which day a clinic's members stand; if somebody else has moved it, midnight is looked for again."""
        if self.days.get(slug) != day:
            self.zones.pop(slug, None)
        self.days[slug] = day

    def knows(self, clinic: ClinicDay, zone: str) -> bool:
        """Whether the clinic's day had begun when its members were last met.

        Members may stand for a later day: of a build, or of a time zone that the clinic has left.
        """
        day = self.days.get(clinic.slug)
        if day is None or day <= clinic.as_of:
            return day == clinic.as_of
        return self.zones.get(clinic.slug) == zone

    @contextmanager
    def alone(self, slug: str, *, wait: bool) -> Iterator[bool]:
        """A transaction as the clinic's builder, with the clinic's lock; false if somebody else holds that.

        Whatever is read comes in statements after the lock's, so nothing is older than the last writer's commit. What
        does not ask for an answer goes out with the next statement that does: on a busy machine each way takes longer
        than most statements.
        """
        locking = "select true from operational.lock_clinic(%s)" if wait else "select operational.try_lock_clinic(%s)"
        with (
            self.connection.pipeline(),
            clinic_transaction(self.connection, self.at.roles, slug, ClinicKind.BUILDER),
        ):
            yield self.connection.execute(locking, [slug]).fetchone() == (True,)

    def program(self, slug: str, rules: int) -> Program:
        """The program of a clinic's rules for given patients, in the running transaction; `rules` is their digest.

        It is of those that compile: what does not is noted as broken.
        """
        known = self.programs.get(slug)
        if known is None or known.rules != rules:
            sound = sound_segments(self.connection)
            known = Compiled(rules, compile_program(sound, given=True), sound, note_broken(self.connection, sound))
            self.programs[slug] = known
        elif known.broken:  # again, since the transaction that noted it may have been undone
            note_broken(self.connection, known.sound)
        return known.program


@contextmanager
def open_lane(at: Server) -> Iterator[Lane]:
    """Connect a lane.

    Raises:
        DatabaseUnavailable: no server answers, or it is not set up.
    """
    with connect(Login.PIPELINE, at=at) as connection:
        keep_plans(connection)
        connection.prepared_max = CLINICS_A_CONNECTION * STATEMENTS_A_CLINIC
        connection.execute("set jit = off")
        # Whoever waits for a clinic's lock looks after others before it waits on.
        connection.execute("set lock_timeout = '5s'")
        connection.commit()
        yield Lane(at, connection)
