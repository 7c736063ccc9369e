"""What else happens at clinics, to the twins of `live_twins` alike: people go, rules break, days begin."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from psycopg.types.json import Jsonb

from api.merges.repository import MOVED
from infra.database import Server
from infra.errors import InvalidInput
from tests.integration.live_twins import AS_OF, TWINS, save
from tests.integration.twin_consents import Consents

UNKNOWN = {"measure": "appointments.moon_phase", "op": ">", "value": 1}
ZONES = ("Europe/Berlin", "America/Sao_Paulo", "Asia/Tokyo", "Pacific/Kiritimati", "UTC")
# What each segment may ask for; one is named only by those that come after it.
RULES = {
    "old": ["age > 65", "age between 30 and 70", "sex is unknown", "appointments.count > 1"],
    "seen": ["appointments.count > 0", 'appointments.count(status=["fulfilled"]) > 0', "appointments.count(3mo) > 1"],
    "recent": ["appointments.count(30d) > 0 and not (age < 18)", "appointments.count(2d) > 0",
               "registration.days < 31"],
    "knees": ['appointments.count(service=["knee"]) > 0', "appointments.next_on is known",
              "appointments.days_until_next < 3 or appointments.noshow_rate(1y) > 0.3"],
    "in-pain": ['answers.latest(form="pain", question="score") >= 7',
                'answers.mean(30d, form="pain", question="score") > 4',
                'answers.latest_choice(form="pain", question="score") = "bad"',
                'answers.count(form="pain", question="score") > 1',
                'answers.days_since_last(form="pain", question="score") > 10'],
    "late": ["forms.overdue > 0", "forms.pending >= 2", "forms.expired > 0", "forms.completed(60d) > 0"],
    "lazy": ["adherence.completion_rate(30d) < 0.5", "adherence.plan_progress < 0.5", "adherence.days_since_last > 3"],
    "frail": ['in_segment("old") and not in_segment("seen")', 'in_segment("old") or in_segment("lazy")', "age > 50"],
    "watched": ['in_segment("frail") or in_segment("recent")', 'in_segment("in-pain") and not in_segment("late")'],
}  # fmt: skip
KINDS = ("number", "choice", "body", "day")


class Events(Consents):
    """Twins at which whatever a clinic knows happens."""

    breaks: bool = True
    zone: str = "Europe/Berlin"

    @property
    def noon(self) -> datetime:
        return datetime.combine(self.day, time(12), ZoneInfo(self.zone))

    def begin(self, at: Server) -> None:
        """The first text and the first rules; others come in time."""
        self.publish(1, datetime(2020, 1, 1, tzinfo=UTC))
        save(at, {slug: RULES[slug][0] for slug in ("old", "seen", "in-pain", "lazy", "frail")})

    def happen(self, at: Server) -> bool:
        """Something of chance; whether a day began with it."""
        before = self.day
        for _ in range(3 if self.chance.random() < 0.1 else 1):
            if self.chance.random() < 0.1 and len(self.people) > 3:
                self.chance.choice([self._save, self._archive, self._break])(at)
            elif self.chance.random() < 0.15:
                self._silently(self.chance.choice(self._imported()))
            else:
                self.chance.choice(self._kinds())()
        return self.day > before

    def _kinds(self) -> list[Callable[[], object]]:
        first = super()._kinds()
        if len(self.people) < 4:
            return first
        also: list[Callable[[], object]] = [
            self._nearer, self._run_out, self._run_out, self._begin, self._child, self._come_of_age,
            self._delete_person, self._merge, self._relink, self._number, self._source, self._midnight, self._midnight,
        ]  # fmt: skip
        rare: list[Callable[[], object]] = [self._text, self._grace, self._move]
        if self.appointments and self.forms and self.plans:
            also += [self._correct_visit, self._correct_visit, self._other_answer, self._other_answer, self._expire]
            also += [self._expire_unseen, self._due, self._days_of_plan]
        return first + 2 * also + rare

    def _imported(self) -> list[Callable[[], object]]:
        """What imports do too: they neither delete, merge nor relink."""
        own = [self._merge, self._relink, self._leave, self._delete_person, self._delete_visit, self._delete_form,
               self._delete_plan, self._days_of_plan, self._text, self._grace, self._move, self._midnight]  # fmt: skip
        return [event for event in self._kinds() if event not in own]

    def _instant(self, day: date) -> datetime:
        return datetime.combine(day, time(self.chance.choice([1, 12, 23]), 30), UTC)

    def _silently(self, event: Callable[[], object]) -> None:
        """As an import that is not to fire."""
        with self.rows.admin.transaction():
            self.rows.admin.execute("select set_config('cloister.fires', 'off', true)")
            event()

    # People.

    def _delete_person(self) -> None:
        self.rows.admin.execute(
            "update operational.person set deleted_at = case when deleted_at is null then now() end,"
            " deleted_by = gen_random_uuid(), delete_reason = 'asked' where person_id = %s",
            [self.people[self._someone()]],
        )

    def _merge(self) -> None:
        """Two were one: as the service does it, in one transaction."""
        kept, other = self.chance.sample(list(self.people), 2)
        both = {"kept": kept, "other": other}
        with self.rows.admin.transaction():
            for table in MOVED:
                self._both(
                    f"update operational.{table} set patient_id = %(kept)s"
                    " where clinic_id = %(clinic)s and patient_id = %(other)s",
                    **both,
                )
            self._both(
                "update operational.registration set deleted_at = null, deleted_by = null, delete_reason = null"
                " where clinic_id = %(clinic)s and patient_id = %(kept)s and deleted_at is not null",
                **both,
            )
            self._both(
                "update operational.registration set deleted_at = statement_timestamp(),"
                " deleted_by = gen_random_uuid(), delete_reason = 'merged'"
                " where clinic_id = %(clinic)s and patient_id = %(other)s",
                **both,
            )
            self.rows.admin.execute(
                "update operational.person set deleted_at = statement_timestamp(), deleted_by = gen_random_uuid(),"
                " delete_reason = 'merged' where person_id = %s",
                [self.people[other]],
            )
        self.plans = [(plan, kept if patient == other else patient) for plan, patient in self.plans]

    def _relink(self) -> None:
        """A newcomer who never signed proves to be somebody who was known elsewhere."""
        found = self.rows.admin.execute(
            "select patient_id from operational.registration as r where clinic_id = %s and not exists ("
            " select from operational.consent_event as e where e.person_id = r.person_id) order by 1",
            [self.rows.clinic_id("north")],
        ).fetchall()
        if found:
            (patient,) = self.chance.choice(found)
            person = self.people[patient] = self.rows.person(AS_OF - timedelta(days=25_000))
            self._both(
                "update operational.registration set person_id = %(person)s"
                " where clinic_id = %(clinic)s and patient_id = %(patient)s",
                patient=patient, person=person,
            )  # fmt: skip

    def _number(self) -> None:
        self._both(
            "update operational.registration set external_id = %(number)s, registered_on = %(day)s"
            " where clinic_id = %(clinic)s and patient_id = %(patient)s",
            number=str(uuid4()), day=self._day(), patient=self._someone(),
        )  # fmt: skip

    def _source(self) -> None:
        self._both(
            "insert into operational.patient_source (clinic_id, source, source_id, patient_id)"
            " values (%(clinic)s, 'desk', %(id)s, %(patient)s)"
            " on conflict (clinic_id, source, source_id) do update set patient_id = excluded.patient_id",
            id=str(self.chance.randrange(5)), patient=self._someone(),
        )  # fmt: skip

    # Records.

    def _correct_visit(self) -> None:
        day = self._day()
        self._both(
            "update operational.appointment set service = %(service)s, booked_on = least(booked_on, %(day)s),"
            " starts_on = %(day)s, modality = %(modality)s,"
            " starts_at = %(at)s where clinic_id = %(clinic)s and appointment_id = %(id)s",
            id=self.chance.choice(self.appointments), service=self.chance.choice(["knee", "back", "visit"]), day=day,
            modality=self.chance.choice(["video", "in_person"]),
            at=self.chance.choice([None, self._instant(day)]),
        )  # fmt: skip

    def _other_answer(self) -> None:
        """An answer of another kind, to a form that was answered or not."""
        form, day = self.chance.choice(self.forms), self.day - timedelta(days=self.chance.choice([0, 1, 10, 29, 30]))
        kind = self.chance.choice(KINDS)
        value = {"number": 9, "choice": "bad", "body": "words", "day": day}[kind]
        kinds = ", ".join(f"{each} = {'%(value)s' if each == kind else 'null'}" for each in KINDS)
        self._both(
            f"update operational.form_answer set {kinds}, answered_at = %(at)s"
            " where clinic_id = %(clinic)s and form_id = %(form)s",
            form=form, at=self._instant(day), value=value,
        )  # fmt: skip

    def _expire(self) -> None:
        """Marked as expired, or its last day is another one: long ago, or far ahead."""
        form = self.chance.choice(self.forms)
        if self.chance.random() < 0.3:
            status = "update operational.form set status = 'expired', completed_at = null"
            self._both(f"{status} where clinic_id = %(clinic)s and form_id = %(form)s", form=form)
            return
        self._last_day(form, self.chance.choice([date(2024, 1, 1), date(2099, 1, 1), None]))

    def _last_day(self, form: UUID, day: date | None) -> None:
        self._both(
            "update operational.form set expires_on = %(day)s where clinic_id = %(clinic)s and form_id = %(form)s",
            form=form, day=day,
        )  # fmt: skip

    def _expire_unseen(self) -> None:
        """Its last day is over, which is noticed at midnight."""
        with self._as_time_does():
            self._last_day(self.chance.choice(self.forms), date(2024, 1, 1))
        self._midnight()

    def _due(self) -> None:
        self._both(
            "update operational.form set due_on = %(day)s where clinic_id = %(clinic)s and form_id = %(form)s",
            form=self.chance.choice(self.forms), day=self._day(),
        )  # fmt: skip

    def _days_of_plan(self) -> None:
        """Some days of a plan are taken back, or had back."""
        plan, _ = self.chance.choice(self.plans)
        self._both(
            "update operational.adherence set deleted_at = case when deleted_at is null then now() end,"
            " deleted_by = gen_random_uuid(), delete_reason = 'asked'"
            " where clinic_id = %(clinic)s and plan_id = %(plan)s and extract(day from day)::integer %% 2 = 0",
            plan=plan,
        )  # fmt: skip

    # The clinic: its days, its rules.

    def _move(self) -> None:
        self.zone = self.chance.choice(ZONES)
        for clinic in TWINS:
            with self.rows.admin.transaction():
                self.rows.admin.execute(
                    "select set_config('cloister.clinic_id', %s, true)", [str(self.rows.clinic_id(clinic))]
                )
                self.rows.admin.execute("update operational.clinic_location set time_zone = %s", [self.zone])

    def _save(self, at: Server) -> None:
        """Rules are saved together: what is archived comes back, what is broken is mended."""
        slugs = self.chance.sample(list(RULES), self.chance.choice([1, 1, 2, 3]))
        try:
            save(at, {slug: self.chance.choice(RULES[slug]) for slug in slugs}, fires=self.chance.random() < 0.5)
        except InvalidInput:  # it names what is archived or broken: at both alike
            return

    def _archive(self, at: Server) -> None:
        """Away with what no other names."""
        active = {slug: str(rule) for slug, rule in self._rules()}
        free = [slug for slug in active if not any(f"'{slug}'" in rule for rule in active.values())]
        if len(active) > 4 and free:
            slug = self.chance.choice(free)
            for clinic in TWINS:
                self.rows.admin.execute(
                    f"update clinic_{clinic}.segment set archived_at = now() where slug = %s", [slug]
                )

    def _break(self, at: Server) -> None:
        """A stored rule is none any more, a third of the times that this could be."""
        if self.breaks and self.chance.random() < 0.3:
            slug = self.chance.choice([slug for slug, _ in self._rules()])
            for clinic in TWINS:
                self.rows.admin.execute(
                    f"with of as (update clinic_{clinic}.segment set version = version + 1"
                    " where slug = %s returning segment_id, version, profile_dependent)"
                    f" insert into clinic_{clinic}.segment_version"
                    " (segment_id, version, rule, created_at, profile_dependent, fires)"
                    " select segment_id, version, %s, now(), profile_dependent, false from of",
                    [slug, Jsonb(UNKNOWN)],
                )

    def _rules(self) -> list[tuple[str, Any]]:
        return self.rows.admin.execute(
            "select slug, rule from clinic_north.segment inner join clinic_north.segment_version"
            " using (segment_id, version) where archived_at is null order by slug"
        ).fetchall()
