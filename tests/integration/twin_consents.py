"""How sharing begins and ends at the twins of `live_twins`: by signatures and their ends, texts, birth dates, time."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from tests.integration.live_twins import AS_OF, TWINS, Twins
from tests.utc import today


class Consents(Twins):
    """Twins whose patients sign in every way; `day` is the one that both clinics are in, `texts` the newest text."""

    day: date = AS_OF
    texts: int = 1

    def consent(self, kind: str, patient: UUID) -> None:
        ends = [None] * 6 + [timedelta(days=30)] * 3 + [timedelta(hours=-1)]
        end, now = self.chance.choice(ends), datetime.now(UTC)
        version = self.texts if self.chance.random() < 0.9 else 1
        self._write(kind, patient, now, version=version, expires=now + end if end and kind == "signed" else None)

    def _write(
        self, kind: str, patient: UUID, at: datetime, *, version: int, expires: datetime | None = None,
        signer: UUID | None = None,
    ) -> None:  # fmt: skip
        person = self.people[patient]
        self._both(
            "insert into operational.consent_event (clinic_id, person_id, purpose, kind, text_version, signer_id,"
            " channel, occurred_at, expires_at) values (%(clinic)s, %(person)s, 'profile_sharing', %(kind)s,"
            " %(version)s, %(signer)s, 'web', %(at)s, %(expires)s)",
            person=person, kind=kind, version=str(version), signer=signer or person, at=at, expires=expires,
        )  # fmt: skip

    def _text(self) -> None:
        """A newer text is required, from now on or later."""
        self.texts += 1
        now = datetime.now(UTC)
        self.publish(self.texts, now, now + timedelta(days=self.chance.choice([0, 0, 20])))

    def publish(self, version: int, at: datetime, required: datetime | None = None) -> None:
        self._both(
            "insert into operational.consent_text (clinic_id, purpose, text_version, body, sha256, created_at,"
            " required_from) values (%(clinic)s, 'profile_sharing', %(version)s, 'text', sha256('text'), %(at)s,"
            " %(required)s)",
            version=str(version), at=at, required=required,
        )  # fmt: skip

    def _consents(self, condition: str) -> list[tuple[Any, ...]]:
        """Patients of the consents at north that fulfil something, with their instants."""
        return self.rows.admin.execute(
            "select r.patient_id, c.occurred_at, c.expires_at, e.text_version::integer, e.signer_id"
            " from operational.consent as c"
            " inner join operational.consent_event as e using (event_id)"
            " inner join operational.registration as r on r.clinic_id = c.clinic_id and r.person_id = c.person_id"
            f" where c.clinic_id = %s and c.state = 'signed' and {condition} order by r.patient_id",
            [self.rows.clinic_id("north")],
        ).fetchall()

    def _nearer(self) -> None:
        """A source moved the end of a signature nearer."""
        if found := self._consents("coalesce(c.expires_at > now() + interval '1 hour', true)"):
            patient, at, _, version, signer = self.chance.choice(found)
            end = datetime.now(UTC) + timedelta(hours=self.chance.choice([-1, 1, 30]))
            self._write("signed", patient, at, version=version, expires=end, signer=signer)

    def _run_out(self) -> None:
        """A signature runs out. The worker sees that once nothing else waits; by their name it sees it with the others.

        Else what happens to the patient meanwhile would be told first, with a cause of its own.
        """
        if found := self._consents("c.expires_at > now() and c.occurred_at <= now()"):
            patient, _, end, *_ = self.chance.choice(found)
            self._unseen("expires_at", "ends_at", "profile_until", patient, end)
            self._rename(patient)

    def _unseen(self, column: str, limit: str, kept: str | None, patient: UUID, at: datetime) -> None:
        """An instant of a consent has come."""
        given = {"patient": patient, "person": self.people[patient], "at": at, "now": datetime.now(UTC)}
        of_events = f"(select event_id from operational.consent where person_id = %(person)s and {column} = %(at)s)"
        with self._as_time_does():
            statements = [
                f"update operational.consent_event set {column} = %(now)s where event_id in {of_events}",
                f"update operational.consent set {column} = %(now)s where person_id = %(person)s and {column} = %(at)s",
            ]
            tables = {"operational.sharing_limit": limit} | {f"clinic_{clinic}.raw_patients": kept for clinic in TWINS}
            for table, name in tables.items():
                moved = f"update {table} set {name} = %(now)s where patient_id = %(patient)s and {name} = %(at)s"
                statements += [moved] if name else []
            for statement in statements:
                self.rows.admin.execute(statement, given)

    def _begin(self) -> None:
        """Signed by a clock that is ahead; or the time of such a signature comes, which is noticed at midnight."""
        if not (found := self._consents("c.occurred_at > now()")):
            self._write("signed", self._someone(), datetime.now(UTC) + timedelta(minutes=4), version=self.texts)
            return
        patient, at, *_ = self.chance.choice(found)
        self._unseen("occurred_at", "starts_at", None, patient, at)
        self._midnight()

    def _child(self) -> None:
        """Somebody of 17, for whom a guardian signed long ago."""
        person = self.rows.person(today() - timedelta(days=17 * 365 + 100))
        patient = self._register(person)
        self._write("signed", patient, datetime.now(UTC) - timedelta(days=400), version=1, signer=self.rows.person())

    def _come_of_age(self) -> None:
        """They are older than was known: the guardian's signature holds for days still, or no more."""
        if found := self._consents("e.signer_id <> e.person_id"):
            patient, *_ = self.chance.choice(found)
            born = today() - timedelta(days=18 * 365 + 5 + self.chance.choice([-30, 60, 200, 300]))
            self.rows.admin.execute(
                "update operational.profile set birth_date = %s where person_id = %s", [born, self.people[patient]]
            )

    def _grace(self) -> None:
        days = self.chance.choice([0, 90, 400])
        self._both(
            "update operational.clinic set consent_grace_days = %(days)s where clinic_id = %(clinic)s", days=days
        )

    def _day(self) -> date:
        return self.day - timedelta(days=self.chance.choice([-40, -3, -1, 0, 1, 2, 29, 30, 31, 100, 300, 400]))

    def _midnight(self) -> None:
        self.day += timedelta(days=self.chance.choice([1, 1, 1, 2, 7, 30]))

    @contextmanager
    def _as_time_does(self) -> Iterator[None]:
        """No trigger sees it."""
        with self.rows.admin.transaction():
            self.rows.admin.execute("set local session_replication_role = replica")
            yield
            self.rows.admin.execute("set local session_replication_role = origin")
