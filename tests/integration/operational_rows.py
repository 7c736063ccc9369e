"""Arranges rows of the operational zone for tests, as the administrator; canary values are easy to find."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import psycopg

CANARY = "Zyxcanary"


@dataclass
class Rows:
    """Writes what a test needs to know about; everything else is filled in."""

    admin: psycopg.Connection

    def clinic_id(self, clinic: str) -> int:
        row = self.admin.execute("select clinic_id from operational.clinic where slug = %s", [clinic]).fetchone()
        assert row
        return int(row[0])

    def person(self, birth_date: date = date(1950, 1, 1), *, allergies: list[str] | None = None) -> UUID:
        person = uuid4()
        self.admin.execute(
            "insert into operational.person (person_id, name) values (%s, %s)",
            [person, f"{CANARY} {person}"],
        )
        self.admin.execute(
            "insert into operational.profile (person_id, birth_date, sex, allergies, insurance_type)"
            " values (%s, %s, 'female', %s, 'public')",
            [person, birth_date, [f"{CANARY}-nut"] if allergies is None else allergies],
        )
        return person

    def patient(
        self,
        clinic: str,
        person: UUID | None = None,
        *,
        consent: bool = True,
        birth_date: date = date(1950, 1, 1),
    ) -> UUID:
        """Register a person, new unless given, at a clinic; signed unless told otherwise."""
        person = person or self.person(birth_date)
        patient = uuid4()
        self.admin.execute(
            "insert into operational.registration (clinic_id, patient_id, person_id, registered_on)"
            " values (%s, %s, %s, '2020-01-01')",
            [self.clinic_id(clinic), patient, person],
        )
        if consent:
            self.consent(clinic, person)
        return patient

    def consent(
        self, clinic: str, person: UUID, kind: str = "signed", *, at: datetime | None = None,
        expires: datetime | None = None,
    ) -> None:  # fmt: skip
        self.admin.execute(
            "insert into operational.consent_text (clinic_id, purpose, text_version, body, sha256)"
            " values (%s, 'profile_sharing', '1', 'text', sha256('text')) on conflict do nothing",
            [self.clinic_id(clinic)],
        )
        self.admin.execute(
            "insert into operational.consent_event (clinic_id, person_id, purpose, kind, text_version, signer_id,"
            " channel, occurred_at, expires_at) values (%s, %s, 'profile_sharing', %s, '1', %s, 'web', %s, %s)",
            [
                self.clinic_id(clinic),
                person,
                kind,
                person,
                at or datetime.now(UTC),
                expires,
            ],
        )

    def person_of(self, patient: UUID) -> UUID:
        row = self.admin.execute(
            "select person_id from operational.registration where patient_id = %s",
            [patient],
        ).fetchone()
        assert row
        return UUID(str(row[0]))

    def appointment(self, clinic: str, patient: UUID, starts_on: date, status: str = "fulfilled") -> UUID:
        appointment = uuid4()
        self.admin.execute(
            "insert into operational.appointment (clinic_id, appointment_id, patient_id, status, booked_on, starts_on)"
            " values (%s, %s, %s, %s, %s, %s)",
            [
                self.clinic_id(clinic),
                appointment,
                patient,
                status,
                starts_on,
                starts_on,
            ],
        )
        return appointment

    def form(
        self,
        clinic: str,
        patient: UUID,
        completed_at: datetime | None = None,
        score: float = 8.0,
    ) -> UUID:
        """A pain form, completed with one answer if a time is given."""
        form = uuid4()
        self.admin.execute(
            "insert into operational.form (clinic_id, form_id, patient_id, template, status, assigned_on, completed_at)"
            " values (%s, %s, %s, 'pain', %s, '2024-01-01', %s)",
            [
                self.clinic_id(clinic),
                form,
                patient,
                "completed" if completed_at else "pending",
                completed_at,
            ],
        )
        if completed_at:
            self.admin.execute(
                "insert into operational.form_answer (clinic_id, patient_id, form_id, template, question, answered_at,"
                " number, body) values (%s, %s, %s, 'pain', 'score', %s, %s, %s)",
                [
                    self.clinic_id(clinic),
                    patient,
                    form,
                    completed_at,
                    score,
                    f"{CANARY} text",
                ],
            )
        return form

    def plan(
        self,
        clinic: str,
        patient: UUID,
        days: list[date],
        prescribed: int = 4,
        done: int = 1,
    ) -> UUID:
        plan = uuid4()
        self.admin.execute(
            "insert into operational.treatment_plan (clinic_id, plan_id, patient_id, title, starts_on)"
            " values (%s, %s, %s, 'Back', %s)",
            [self.clinic_id(clinic), plan, patient, min(days)],
        )
        for day in days:
            self.admin.execute(
                "insert into operational.adherence (clinic_id, plan_id, day, patient_id, prescribed, done)"
                " values (%s, %s, %s, %s, %s, %s)",
                [self.clinic_id(clinic), plan, day, patient, prescribed, done],
            )
        return plan

    def raw(self, clinic: str, table: str = "raw_patients", columns: str = "*") -> list[tuple[object, ...]]:
        """All rows of a table of a clinic's mart, in a stable order."""
        return sorted(
            self.admin.execute(f"select {columns} from clinic_{clinic}.{table}").fetchall(),
            key=repr,
        )
