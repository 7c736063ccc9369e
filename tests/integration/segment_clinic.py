"""One clinic's mart whose segments are evaluated as often as a test likes; nothing of it is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from infra.database import Server, become_clinic
from infra.roles import ClinicKind
from orchestration.programs import active_segments, evaluate
from orchestration.reevaluate import reevaluate
from policies.segments.reconcile import compile_drift, compile_program
from policies.segments.references import profile_dependent
from policies.segments.rule import Rule, parse_rule
from tests.spec.segments.tables import Row, complete

FIRST_RUN = datetime(2030, 1, 1, tzinfo=UTC)
OLD: Row = {"measure": "age", "op": ">", "value": 65}
SEEN: Row = {"measure": "appointments.count", "op": ">=", "value": 1}
RECENT: Row = {**SEEN, "window": "30d"}
AS_OF = date(2024, 6, 30)


@dataclass
class SegmentClinic:
    """Writes what a test arranges as the administrator, and evaluates as the clinic's builder.

    Patients go by letters, segments by slugs; runs are an hour apart.
    """

    admin: psycopg.Connection
    at: Server
    slug: str = "north"
    runs: int = 0
    rules: dict[str, Rule] = field(default_factory=dict)
    facts: int = 0

    def __post_init__(self) -> None:
        self._enter()

    def save(self, slug: str, rule: Row, *, fires: bool = False) -> None:
        """A segment, or the next version of its rule."""
        self._enter()
        self.rules[slug] = parse_rule(rule)
        dependent = profile_dependent(self.rules[slug], self.rules)
        row = self.admin.execute(
            "insert into segment (segment_id, slug, name, profile_dependent, created_at)"
            " values (%s, %s, 'S', %s, %s) on conflict (slug) do update set version = segment.version + 1,"
            " profile_dependent = excluded.profile_dependent, archived_at = null returning segment_id, version",
            [UUID(int=len(self.rules)), slug, dependent, FIRST_RUN],
        ).fetchone()
        assert row
        self.admin.execute(
            "insert into segment_version (segment_id, version, rule, created_at, profile_dependent, fires)"
            " values (%s, %s, %s, %s, %s, %s)",
            [*row, Jsonb(rule), FIRST_RUN, dependent, fires],
        )

    def archive(self, slug: str) -> None:
        self._enter()
        self.admin.execute("update segment set archived_at = %s where slug = %s", [FIRST_RUN, slug])

    def patient(self, letter: str, cause: str | None = "data", **columns: Any) -> None:
        """A patient, new or with other values, noted with a cause unless there is none to be known."""
        self._put("raw_patients", {"patient": letter, **columns}, ["patient_id"])
        self.note(letter, cause)

    def visit(self, letter: str, day: date = AS_OF, *, cause: str | None = "data") -> UUID:
        """An attended appointment."""
        self.facts += 1
        row = {"patient": letter, "starts_on": day, "appointment_id": UUID(int=self.facts)}
        self._put("raw_appointments", row, ["patient_id", "appointment_id"])
        self.note(letter, cause)
        return UUID(int=self.facts)

    def take_back(self, appointment: UUID) -> None:
        """Delete an appointment, as a row that was deleted upstream."""
        self._enter()
        query = "delete from raw_appointments where appointment_id = %s returning patient_id"
        for (patient,) in self.admin.execute(query, [appointment]).fetchall():
            self.note(chr(patient.int), "correction")

    def lose(self, letter: str) -> None:
        """Delete a patient, as one who was deleted upstream; what is known of visits stays behind."""
        self._enter()
        self.admin.execute("delete from raw_patients where patient_id = %s", [UUID(int=ord(letter))])
        self.note(letter, "correction")

    def make_up(self, slug: str, letter: str) -> None:
        """A member whom no run has found."""
        self._enter()
        self.admin.execute(
            "insert into segment_member (segment_id, patient_id, entered_at, entered_run, version, entered_by,"
            " fires_in) select segment_id, %s, %s, 1, version, 'data', false from segment where slug = %s",
            [UUID(int=ord(letter)), FIRST_RUN, slug],
        )

    def lose_member(self, slug: str, letter: str) -> None:
        """A member whose present stay is gone, though no run ended it."""
        self._enter()
        self.admin.execute(
            "delete from segment_member where patient_id = %s and left_at is null"
            " and segment_id = (select segment_id from segment where slug = %s)",
            [UUID(int=ord(letter)), slug],
        )

    def note(self, letter: str | None, cause: str | None) -> None:
        """Why a patient, or everybody, may have changed."""
        self._enter()
        if cause:
            patient = None if letter is None else UUID(int=ord(letter))
            self.admin.execute(
                "insert into changed_patient (patient_id, cause) values (%s, %s) on conflict do nothing",
                [patient, cause],
            )

    def run(
        self,
        as_of: date = AS_OF,
        *,
        at: datetime | None = None,
        given: str | None = None,
        flips: bool = False,
        middle: str | None = None,
    ) -> tuple[int, int]:
        """Bring all segments up to date, for the patients given or for all; how many entered and left."""
        self.runs += 1
        self.become(ClinicKind.BUILDER)
        segments = active_segments(self.admin)
        between = UUID(int=ord(middle)) if middle else None
        program = compile_program(segments, given=given is not None, flips=flips, middle=between)
        at = at or FIRST_RUN + timedelta(hours=self.runs)
        if given is not None:
            patients = [UUID(int=ord(letter)) for letter in given]
            changes = reevaluate(self.admin, self.slug, program, patients, as_of, at)
            return changes.entered, changes.left
        changed = evaluate(self.admin, program, as_of, at)
        self.admin.execute("drop table if exists pg_temp.segment_verdict")
        return changed

    def drift(self, as_of: date = AS_OF) -> list[tuple[UUID, int, int]]:
        """What the builder finds changed without a cause."""
        self.become(ClinicKind.BUILDER)
        program = compile_drift(active_segments(self.admin))
        cursor = psycopg.RawCursor(self.admin)
        return cursor.execute(program.statement, [as_of, FIRST_RUN, Jsonb(program.parameters)]).fetchall()

    def members(self, slug: str) -> str:
        return "".join(row[0] for row in self.read(slug, "segment_stay", "patient_id", "left_at is null"))

    def feed(self, slug: str, after: int = 0) -> list[tuple[str, str, str, bool]]:
        """Letter, kind, cause and whether it fires, of each change of a segment after a run."""
        return self.read(slug, "segment_change", "patient_id, kind, cause, fires", f"run > {after}")

    def tells_of_profiles(self, slug: str) -> bool:
        """Whether the segment's present members do, as the clinic's reader sees it."""
        self.become(ClinicKind.READER)
        query = "select d.profile_dependent from segment_dependence as d inner join segment using (segment_id)"
        row = self.admin.execute(f"{query} where slug = %s", [slug]).fetchone()
        assert row
        return bool(row[0])

    def last_run(self) -> int:
        self._enter()
        row = self.admin.execute("select run from segment_clock").fetchone()
        assert row
        return int(row[0])

    def read(self, slug: str, view: str, columns: str, where: str = "true") -> list[Any]:
        """Rows of a view, as the clinic's reader sees them, with patients' letters."""
        self.become(ClinicKind.READER)
        order = "run, patient_id" if view == "segment_change" else "patient_id"
        found = self.admin.execute(
            f"select {columns} from {view} where segment_id = (select segment_id from segment where slug = %s)"
            f" and {where} order by {order}",
            [slug],
        ).fetchall()
        return [tuple(chr(value.int) if isinstance(value, UUID) else value for value in row) for row in found]

    def _put(self, table: str, row: Row, key: Sequence[str]) -> None:
        self._enter()
        (full,) = complete(table, [row])
        full["patient_id"] = UUID(int=ord(str(full.pop("patient"))))
        names = sql.SQL(", ").join(map(sql.Identifier, full))
        updates = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in full)
        self.admin.execute(
            sql.SQL("insert into {} ({}) values ({}) on conflict ({}) do update set {}").format(
                sql.Identifier(table), names, sql.SQL(", ").join([sql.Placeholder()] * len(full)),
                sql.SQL(", ").join(map(sql.Identifier, key)), updates,
            ),
            list(full.values()),
        )  # fmt: skip

    def _enter(self) -> None:
        """As the administrator, in the clinic's schema."""
        self.admin.execute(f"reset role; set local search_path = clinic_{self.slug}")

    def become(self, kind: ClinicKind) -> None:
        """As one of the clinic's roles."""
        self.admin.execute("reset role")
        become_clinic(self.admin, self.at.roles, self.slug, kind)
