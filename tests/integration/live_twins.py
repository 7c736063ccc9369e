"""Two clinics to which the same happens: north is kept up to date live, south by ingest and full evaluation.

A person is registered at both, under one patient id, as only a test can arrange it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from operational_rows import Rows

from infra.database import Server, clinic_transaction, connect, lock_clinic
from infra.roles import ClinicKind, Login
from infra.segments import add_segments
from orchestration import programs
from orchestration.clinics import ClinicDay
from orchestration.ingest.load import ingest
from orchestration.ingest.sources import SOURCES, Asset
from orchestration.live.attend import Left, attend
from orchestration.live.lane import open_lane
from orchestration.live.reconcile_consents import reconcile_consents
from policies.segments.definition import SegmentDefinition
from policies.segments.reconcile import compile_program
from policies.segments.text import read

AS_OF = date(2024, 6, 30)
TWINS = ("north", "south")
RAW = tuple(source.contract.table for asset in Asset for source in SOURCES[asset])
RULES = {
    "old": "age > 65",
    "seen": "appointments.count > 0",
    "attended": 'appointments.count(status=["fulfilled"]) > 0',
    "recent": "appointments.count(30d) > 0 and not (age < 18)",
    "missing": "appointments.noshow_rate(1y) > 0.3 or forms.pending >= 2",
    "in-pain": 'answers.latest(form="pain", question="score") >= 7',
    "lazy": "adherence.completion_rate(30d) < 0.5",
    "nameless": "sex is unknown",
    "frail": 'in_segment("old") and not in_segment("seen")',
}


def bring(at: Server, slug: str = "north", as_of: date = AS_OF) -> None:
    """What the live worker does with a clinic."""
    with open_lane(at) as lane:
        assert attend(lane, ClinicDay(slug, as_of), wait=True) is Left.NOTHING


def evaluate(at: Server, slug: str = "south", as_of: date = AS_OF) -> tuple[int, int]:
    """A full evaluation, and what consents left open, as a build does it; how many entered and left."""
    with (
        connect(Login.PIPELINE, at=at) as connection,
        clinic_transaction(connection, at.roles, slug, ClinicKind.BUILDER),
    ):
        lock_clinic(connection, slug)
        changed = programs.evaluate(
            connection, compile_program(programs.active_segments(connection)), as_of, datetime.now(UTC)
        )
    reconcile_consents(at, [ClinicDay(slug, as_of)])
    return changed


def load(at: Server, slug: str = "south") -> int:
    """A full ingest; how many rows it wrote or deleted."""
    loads = [ingest(at, slug, asset, uuid4()) for asset in Asset]
    return sum(found.rows_written + found.rows_deleted for found in loads)


def save(at: Server, rules: dict[str, str], clinics: tuple[str, ...] = TWINS, *, fires: bool = False) -> None:
    definitions = [SegmentDefinition(slug=slug, name=slug, rule=read(rule)) for slug, rule in rules.items()]
    add_segments(at, list(clinics), definitions, fires=fires)


def feed(rows: Rows, clinic: str) -> list[tuple[Any, ...]]:
    """What happened to each patient in each segment in order, without the numbers of runs and instants."""
    return rows.admin.execute(
        f"select s.slug, c.patient_id, c.kind, c.cause, c.version, c.fires from clinic_{clinic}.segment_change as c"
        f" inner join clinic_{clinic}.segment as s using (segment_id) order by s.slug, c.patient_id, c.run"
    ).fetchall()


def noted(rows: Rows, clinic: str) -> list[tuple[Any, ...]]:
    return rows.admin.execute(f"select patient_id, cause from clinic_{clinic}.changed_patient").fetchall()


@dataclass
class Twins:
    """Does something of chance to both clinics alike."""

    rows: Rows
    chance: random.Random
    people: dict[UUID, UUID] = field(default_factory=dict)  # patient to person
    appointments: list[UUID] = field(default_factory=list)
    forms: list[UUID] = field(default_factory=list)
    plans: list[tuple[UUID, UUID]] = field(default_factory=list)

    def step(self, changes: int) -> None:
        """So many changes, each of another kind or patient."""
        for _ in range(changes):
            self.chance.choice(self._kinds())()

    def arrive(self) -> UUID:
        """Somebody new, who signs more often than not."""
        person = self.rows.person(AS_OF - timedelta(days=self.chance.choice([300, 6_000, 20_000, 25_000, 30_000])))
        patient = self._register(person)
        if self.chance.random() < 0.7:
            self.consent("signed", patient)
        return patient

    def consent(self, kind: str, patient: UUID) -> None:
        at = datetime.now(UTC)
        for clinic in TWINS:
            self.rows.consent(clinic, self.people[patient], kind, at=at)

    def _kinds(self) -> list[Callable[[], object]]:
        if len(self.people) < 4:
            return [self.arrive]
        first: list[Callable[[], object]] = [self.arrive, self._visit, self._form, self._plan]
        later = [
            self._attended, self._delete_visit, self._answer, self._delete_form, self._tick, self._delete_plan,
            self._profile, self._rename, self._sign_or_revoke, self._leave, self._nothing,
        ]  # fmt: skip
        return first * 2 + (later if self.appointments and self.forms and self.plans else [])

    def _both(self, statement: str, **values: Any) -> None:
        for clinic in TWINS:
            self.rows.admin.execute(statement, {"clinic": self.rows.clinic_id(clinic), **values})

    def _register(self, person: UUID) -> UUID:
        patient = UUID(int=self.chance.getrandbits(128))
        self._both(
            "insert into operational.registration (clinic_id, patient_id, person_id, registered_on)"
            " values (%(clinic)s, %(patient)s, %(person)s, %(day)s)",
            patient=patient, person=person, day=self._day(),
        )  # fmt: skip
        self.people[patient] = person
        return patient

    def _someone(self) -> UUID:
        return self.chance.choice(list(self.people))

    def _day(self) -> date:
        return AS_OF - timedelta(days=self.chance.choice([-40, -3, 0, 1, 29, 30, 31, 100, 300, 400]))

    def _visit(self) -> None:
        self.appointments.append(appointment := UUID(int=self.chance.getrandbits(128)))
        day = self._day()
        self._both(
            "insert into operational.appointment (clinic_id, appointment_id, patient_id, status, booked_on, starts_on)"
            " values (%(clinic)s, %(id)s, %(patient)s, %(status)s, %(day)s, %(day)s)",
            id=appointment, patient=self._someone(), status=self.chance.choice(["booked", "fulfilled"]), day=day,
        )  # fmt: skip

    def _attended(self) -> None:
        self._both(
            "update operational.appointment set status = %(status)s"
            " where clinic_id = %(clinic)s and appointment_id = %(id)s",
            id=self.chance.choice(self.appointments), status=self.chance.choice(["fulfilled", "noshow", "cancelled"]),
        )  # fmt: skip

    def _delete(self, table: str, key: str, value: UUID) -> None:
        """Mark as deleted, or take the mark away."""
        self._both(
            f"update operational.{table} set deleted_at = case when deleted_at is null then now() end,"
            " deleted_by = gen_random_uuid(), delete_reason = 'asked'"
            f" where clinic_id = %(clinic)s and {key} = %(value)s",
            value=value,
        )

    def _delete_visit(self) -> None:
        self._delete("appointment", "appointment_id", self.chance.choice(self.appointments))

    def _form(self) -> None:
        self.forms.append(form := UUID(int=self.chance.getrandbits(128)))
        self._both(
            "insert into operational.form (clinic_id, form_id, patient_id, template, status, assigned_on)"
            " values (%(clinic)s, %(form)s, %(patient)s, 'pain', 'pending', %(day)s)",
            form=form, patient=self._someone(), day=self._day(),
        )  # fmt: skip

    def _answer(self) -> None:
        form, at = self.chance.choice(self.forms), datetime(2024, 6, self.chance.randint(1, 28), 12, tzinfo=UTC)
        self._both(
            "update operational.form set status = 'completed', completed_at = %(at)s"
            " where clinic_id = %(clinic)s and form_id = %(form)s",
            form=form, at=at,
        )  # fmt: skip
        self._both(
            "insert into operational.form_answer (clinic_id, answer_id, patient_id, form_id, template, question,"
            " answered_at, number) select clinic_id, %(id)s, patient_id, form_id, 'pain', 'score', %(at)s, %(score)s"
            " from operational.form where clinic_id = %(clinic)s and form_id = %(form)s",
            id=UUID(int=self.chance.getrandbits(128)), form=form, at=at, score=self.chance.randint(0, 10),
        )  # fmt: skip

    def _delete_form(self) -> None:
        self._delete("form", "form_id", self.chance.choice(self.forms))

    def _plan(self) -> None:
        patient, plan = self._someone(), UUID(int=self.chance.getrandbits(128))
        self.plans.append((plan, patient))
        self._both(
            "insert into operational.treatment_plan (clinic_id, plan_id, patient_id, title, starts_on)"
            " values (%(clinic)s, %(plan)s, %(patient)s, 'Back', %(day)s)",
            plan=plan, patient=patient, day=AS_OF,
        )  # fmt: skip
        self._both(
            "insert into operational.adherence (clinic_id, plan_id, day, patient_id, prescribed, done)"
            " select %(clinic)s, %(plan)s, %(day)s::date - n, %(patient)s, 4, %(done)s from generate_series(0, 3) as n",
            plan=plan, patient=patient, day=self._day(), done=self.chance.randint(0, 4),
        )  # fmt: skip

    def _tick(self) -> None:
        plan, _ = self.chance.choice(self.plans)
        self._both(
            "update operational.adherence set done = %(done)s where clinic_id = %(clinic)s and plan_id = %(plan)s",
            plan=plan, done=self.chance.randint(0, 4),
        )  # fmt: skip

    def _delete_plan(self) -> None:
        self._delete("treatment_plan", "plan_id", self.chance.choice(self.plans)[0])

    def _nothing(self) -> None:
        """A change that no mart shows."""
        self._both("update operational.treatment_plan set title = 'Neck' where clinic_id = %(clinic)s")

    def _profile(self) -> None:
        self.rows.admin.execute(
            "update operational.profile set birth_date = %s, sex = 'male' where person_id = %s",
            [AS_OF - timedelta(days=self.chance.choice([5_000, 30_000])), self.people[self._someone()]],
        )

    def _rename(self, patient: UUID | None = None) -> None:
        self.rows.admin.execute(
            "update operational.person set name = name || 'n' where person_id = %s",
            [self.people[patient or self._someone()]],
        )

    def _sign_or_revoke(self) -> None:
        self.consent(self.chance.choice(["signed", "revoked"]), self._someone())

    def _leave(self) -> None:
        self._delete("registration", "patient_id", self._someone())
