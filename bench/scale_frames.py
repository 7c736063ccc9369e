"""Rows of one clinic of the scale set, as Arrow tables in the types of the operational tables.

Plain distributions, drawn at once: what counts here is how many rows there are and how they are
spread over patients. The sample (`cloister sample`) is the coherent one.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from bench.scale import AS_OF, Scale

TODAY = np.datetime64(AS_OF)
PLAN_DAYS = 50
ANSWERS_A_FORM = 2
# Open ones beside each that is answered.
OPEN_FORMS = 0.25
CONSENT_TEXT = "bench"
CONDITIONS = ("hypertension", "diabetes", "arthritis", "chronic_back_pain", "asthma", "depression")


class ClinicFrames:
    """Makes the tables of one clinic; the same scale and number give the same rows."""

    def __init__(self, scale: Scale, number: int) -> None:
        self.rng = np.random.default_rng([scale.seed, number])
        self.patients = scale.patients // scale.clinics
        self.appointments = scale.appointments // scale.clinics
        self.forms = scale.answers // scale.clinics // ANSWERS_A_FORM
        self.plans = max(scale.adherence // scale.clinics // PLAN_DAYS, 1)
        self.first_person = (number - 1) * self.patients
        self.person_id = self._ids(self.patients)
        self.patient_id = self._ids(self.patients)

    def tables(self, clinic_id: int) -> dict[str, pa.Table]:
        """Operational table to rows, in the order in which they are loaded."""
        form_id, owners = self._ids(self.forms), self.rng.integers(0, self.patients, self.forms)
        tables = {
            "person": self._person(),
            "profile": self._profile(),
            "registration": self._registration(),
            **self._consents(),
            "appointment": self._appointment(),
            "form": pa.concat_tables(
                [self._form(form_id, owners, done=True), self._open(int(self.forms * OPEN_FORMS))]
            ),
            "form_answer": self._answer(form_id, owners),
            **self._plans(),
        }
        no_clinic = ("person", "profile")
        return {name: table if name in no_clinic else _with_clinic(table, clinic_id) for name, table in tables.items()}

    def _ids(self, count: int) -> pa.Array:
        return pa.Array.from_buffers(pa.binary(16), count, [None, pa.py_buffer(self.rng.bytes(16 * count))])

    def _pick(self, words: Sequence[str | None], count: int, shares: Sequence[float] | None = None) -> pa.Array:
        return pa.array(words, pa.string()).take(pa.array(self.rng.choice(len(words), count, p=shares)))

    def _days_before(self, days: Any, count: int) -> Any:
        return TODAY - self.rng.integers(0, days, count).astype("timedelta64[D]")

    def _person(self) -> pa.Table:
        names = [f"Patient {self.first_person + index}" for index in range(self.patients)]
        return pa.table({"person_id": self.person_id, "name": names})

    def _profile(self) -> pa.Table:
        count = self.patients
        flags = self.rng.random((count, len(CONDITIONS))) < 0.2
        ends = np.concatenate([[0], np.cumsum(flags.sum(axis=1))]).astype(np.int32)
        conditions = pa.ListArray.from_arrays(ends, pa.array(CONDITIONS).take(pa.array(flags.nonzero()[1])))
        return pa.table(
            {
                "person_id": self.person_id,
                "birth_date": pa.array(self._days_before(95 * 365, count)),
                "sex": self._pick(("female", "male"), count),
                "blood_type": self._pick(("O+", "A+", "B+", "AB+"), count),
                "chronic_conditions": conditions,
                "insurance_type": self._pick(("public", "private", "self_pay", None), count),
            }
        )

    def _registration(self) -> pa.Table:
        return pa.table(
            {
                "patient_id": self.patient_id,
                "person_id": self.person_id,
                "external_id": [f"{index:06}" for index in range(self.patients)],
                "registered_on": pa.array(self._days_before(1000, self.patients)),
            }
        )

    def _consents(self) -> dict[str, pa.Table]:
        """Four in five signed; the state is written beside the event, since no trigger runs."""
        signers = self.person_id.filter(pa.array(self.rng.random(self.patients) < 0.8))
        shared: dict[str, Any] = {
            "event_id": self._ids(len(signers)),
            "person_id": signers,
            "purpose": pa.repeat("profile_sharing", len(signers)),
            "occurred_at": _instants(self._days_before(1000, len(signers)) - np.timedelta64(1, "D")),
        }
        signed = pa.repeat("signed", len(signers))
        event = {"kind": signed, "text_version": pa.repeat(CONSENT_TEXT, len(signers)), "signer_id": signers}
        return {
            "consent_event": pa.table({**shared, **event, "channel": pa.repeat("bench", len(signers))}),
            "consent": pa.table({**shared, "state": signed}),
        }

    def _appointment(self) -> pa.Table:
        count = self.appointments
        starts = self._days_before(730, count) + np.timedelta64(30, "D")
        past = self._pick(("fulfilled", "noshow", "cancelled"), count, (0.72, 0.2, 0.08))
        return pa.table(
            {
                "appointment_id": self._ids(count),
                "patient_id": self._owner(count),
                "service": self._pick(("physiotherapy", "pain_management", "follow_up"), count),
                "modality": self._pick(("in_person", "video"), count, (0.8, 0.2)),
                "status": pa.compute.if_else(pa.array(starts < TODAY), past, pa.scalar("booked")),
                "booked_on": pa.array(starts - self.rng.integers(0, 40, count).astype("timedelta64[D]")),
                "starts_on": pa.array(starts),
                "starts_at": _instants(starts),
            }
        )

    def _owner(self, count: int) -> pa.Array:
        return self.patient_id.take(pa.array(self.rng.integers(0, self.patients, count)))

    def _form(self, form_id: pa.Array, owners: Any, *, done: bool) -> pa.Table:
        count = len(form_id)
        assigned = self._days_before(400, count)
        completed = _instants(assigned + np.timedelta64(2, "D")) if done else pa.nulls(count, INSTANT)
        return pa.table(
            {
                "form_id": form_id,
                "patient_id": self.patient_id.take(pa.array(owners)),
                "template": self._pick(("intake", "pain"), count),
                "status": pa.repeat("completed" if done else "pending", count),
                "assigned_on": pa.array(assigned),
                "due_on": pa.array(assigned + np.timedelta64(7, "D")),
                "completed_at": completed,
            }
        )

    def _open(self, count: int) -> pa.Table:
        return self._form(self._ids(count), self.rng.integers(0, self.patients, count), done=False)

    def _answer(self, form_id: pa.Array, owners: Any) -> pa.Table:
        form = pa.array(np.repeat(np.arange(self.forms), ANSWERS_A_FORM))
        count = len(form)
        return pa.table(
            {
                "answer_id": self._ids(count),
                "patient_id": self.patient_id.take(pa.array(np.repeat(owners, ANSWERS_A_FORM))),
                "form_id": form_id.take(form),
                "template": pa.repeat("pain", count),
                "question": pa.array(("score", "worst")).take(pa.array(np.tile([0, 1], self.forms))),
                "answered_at": _instants(self._days_before(400, count)),
                "number": pa.array(self.rng.integers(0, 11, count).astype(np.float64)),
            }
        )

    def _plans(self) -> dict[str, pa.Table]:
        plan_id, owner = self._ids(self.plans), self._owner(self.plans)
        starts = self._days_before(150, self.plans) - np.timedelta64(PLAN_DAYS, "D") + np.timedelta64(40, "D")
        plan = pa.table(
            {
                "plan_id": plan_id,
                "patient_id": owner,
                "title": self._pick(("Back strength", "Knee mobility"), self.plans),
                "starts_on": pa.array(starts),
            }
        )
        rows = np.repeat(np.arange(self.plans), PLAN_DAYS)
        elapsed = np.tile(np.arange(PLAN_DAYS), self.plans).astype("timedelta64[D]")
        prescribed = self.rng.integers(1, 7, self.plans)[rows]
        done = self.rng.binomial(prescribed, self.rng.beta(2, 2, self.plans)[rows])
        adherence = pa.table(
            {
                "plan_id": plan_id.take(pa.array(rows)),
                "day": pa.array(starts[rows] + elapsed),
                "patient_id": owner.take(pa.array(rows)),
                "prescribed": pa.array(prescribed.astype(np.int16)),
                "done": pa.array(done.astype(np.int16)),
            }
        )
        return {"treatment_plan": plan, "adherence": adherence}


INSTANT = pa.timestamp("us", "UTC")


def _instants(days: Any) -> pa.Array:
    return pa.array(days.astype("datetime64[us]") + np.timedelta64(10, "h")).cast(INSTANT)


def _with_clinic(table: pa.Table, clinic_id: int) -> pa.Table:
    clinic = pa.array(np.full(table.num_rows, clinic_id, dtype=np.int32))
    return table.add_column(0, "clinic_id", clinic)
