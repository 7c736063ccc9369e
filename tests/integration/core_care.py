"""Acts of care: plans and their ticks, what is hidden from guardians; and what newcomers book on a clinic's page."""

import asyncio
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from booking import at
from core_bookings import SLOTS
from core_model import CLINICS, NOT_THERE, OK, Person, Plan, Registration, Visit
from core_visits import Visits
from pages_of import fields

from api.bookings.releasing import release_due
from api.database import make_pool
from api.identity.sealed import codec_of

TIMES = 2  # a day
PLACES = ("forms", "plans")


class Care(Visits):
    """As `Families`."""

    # Plans.

    def prescribe(self) -> None:
        clinic, patient = self.random.choice(CLINICS), self.random.choice(list(self.model.registrations))
        found, specialist = self.model.registrations[patient], f"Dr. {clinic.title()}"
        if self.random.random() < 0.8:
            clinic, specialist = found.clinic, f"Dr. {found.clinic.title()}"
        today = self.today(clinic)
        body = {
            "title": "Canary plan", "starts_on": str(today), "ends_on": str(today + timedelta(days=3)),
            "exercises": [{"name": "Bridge", "times": TIMES}],
        }  # fmt: skip
        key = {"Idempotency-Key": self.fresh("plan").replace(" ", "-")}
        path = f"clinics/{clinic}/patients/{patient}/plans"
        answer = self.ask(f"specialist.{clinic}", "POST", path, body, **key)
        there = found.clinic == clinic and self.model.is_patient(patient) and self.model.treats(specialist, patient)
        if self.expect(answer, OK if there else NOT_THERE):
            plan = answer.json()["id"]
            assert self.done(f"specialist.{clinic}", "POST", path, body, **key)["id"] == plan, "by a key once"
            self.model.plans[plan] = Plan(plan, clinic, patient, specialist)

    def today(self, clinic: str) -> date:
        return datetime.now(self.zone(clinic)).date()

    def zone(self, clinic: str) -> ZoneInfo:
        return ZoneInfo(self.world.look("select time_zone from operational.clinic where slug = %s", clinic)[0][0])

    def tick(self) -> None:
        plans = [p for p in self.model.plans.values() if p.by]
        if not plans:
            self.prescribe()
            return
        plan = self.random.choice(plans)
        login, dependent, person, path = self.somebody()
        if self.random.random() < 0.7:
            login, dependent, person, path = self.hand_of(self.model.registrations[plan.patient].person)
        theirs = self.model.plans_of(person.name, hidden=True) if person else []
        plan = self.random.choice([p for p in theirs if p.by] or [plan])
        times, ago = self.random.randint(0, TIMES + 1), self.random.choice([0, 0, 0, 1, 2])
        ((exercise,),) = self.world.look(
            "select exercise_id::text from operational.exercise where plan_id = %s", plan.id
        )  # fmt: skip
        day = self.today(plan.clinic) - timedelta(days=ago)
        answer = self.ask(
            login, "PUT", f"{path}/plans/{plan.id}/exercises/{exercise}/days/{day}", {"times": times}
        )  # fmt: skip
        if person is None or plan not in self.model.plans_of(person.name, hidden=dependent is None):
            self.expect(answer, NOT_THERE)
        elif ago:
            self.expect(answer, "409 not_prescribed" if ago == 1 else "422 not_today_or_yesterday")
        elif self.expect(answer, OK if times <= TIMES else "422 too_many"):
            plan.done = times

    def end_plan(self) -> None:
        """Who treats ends a plan; staff takes one for deleted, and an admin does not."""
        plan = self.random.choice(list(self.model.plans.values()))
        if plan.by and self.random.random() < 0.4:
            who, there = f"specialist.{plan.clinic}", self.model.is_patient(plan.patient) and not plan.deleted
            answer = self.ask(who, "POST", f"clinics/{plan.clinic}/plans/{plan.id}/end")
            there = there and self.model.treats(f"Dr. {plan.clinic.title()}", plan.patient)
            self.expect(answer, OK if there else NOT_THERE)
            return
        path = f"clinics/{plan.clinic}/deletions/plan/{plan.id}"
        if plan.deleted:
            answer = self.ask("admin", "POST", f"{path}/undo")
        else:
            answer = self.ask(f"staff.{plan.clinic}", "POST", path, {"reason": "mistake"})
        if self.expect(answer, OK):
            plan.deleted = not plan.deleted

    # What is hidden from guardians.

    def conceal(self) -> None:
        """The patient, or who treats them, hides a form or a plan from guardians, or shows it again."""
        kind, model = self.random.choice(PLACES), self.model
        plans = [(p.id, p.patient, p.hidden) for p in model.plans.values() if not p.deleted]
        items = self.forms if kind == "forms" else plans
        if not items:
            return
        item, patient, was = self.random.choice(items)
        found, hidden = model.registrations[patient], self.random.random() < 0.6
        owner = model.people[found.person]
        if owner.login and self.random.random() < 0.6:
            who, path = owner.login, "me"
            there = found.gone is None and model.whose(who, None) is not None
        else:
            who, path = f"specialist.{found.clinic}", f"clinics/{found.clinic}"
            there = model.is_patient(patient) and model.treats(f"Dr. {found.clinic.title()}", patient)
        answer = self.ask(who, "POST", f"{path}/{kind}/{item}/confidential", {"confidential": hidden})
        if self.expect(answer, OK if there else NOT_THERE):
            assert path == "me" or self.recorded() == [(patient, was or hidden)]
            if kind == "plans":
                model.plans[item].hidden = hidden
            now = self.world.look("select confidential from operational.form where form_id = %s", item)
            assert now in ([], [(hidden,)])

    # What newcomers book.

    def ask_page(self) -> None:
        """A newcomer books on a clinic's page, which holds the time."""
        clinic, slot = self.random.choice(CLINICS), self.random.choice([*SLOTS, at(12)])
        name = self.fresh("Canary Tern")
        email, before = f"{name.split()[-1]}.tern@example.org", len(self.mailbox.messages)
        self.api.cookies.clear()
        form = fields(self.api.get(f"/book/{clinic}").text)
        when, offer = datetime.fromisoformat(slot).astimezone(self.zone(clinic)), f"visit/Dr. {clinic.title()}"
        asked = {"name": name, "offer": offer, "starts_at": f"{when:%Y-%m-%dT%H:%M}", "email": email}
        answer = self.api.post(f"/book/{clinic}", data={**form, **asked})
        self.api.cookies.clear()
        self.history.append(f"page of {clinic} {asked} -> {answer.status_code}")
        taken = self._at(clinic, {"specialist": f"Dr. {clinic.title()}", "starts_at": slot}, "")
        assert (answer.status_code == 200) is not bool(taken), answer.status_code
        if taken:
            return
        ((visit, patient),) = self.world.look(
            "select appointment_id::text, patient_id::text from operational.appointment"
            " inner join operational.registration using (clinic_id, patient_id)"
            " inner join operational.person using (person_id) where name = %s", name,
        )  # fmt: skip
        self.model.people[name] = Person(name)
        self.model.registrations[patient] = Registration(clinic, patient, name)
        specialist = f"Dr. {clinic.title()}"
        self.model.visits[visit] = Visit(visit, clinic, patient, specialist, "booked", slot, held=True)
        self._codes_since(before, clinic, patient, email)

    def release(self) -> None:
        """Time passes for what is held: what nobody has proven is free again."""
        held = [v for v in self.model.visits.values() if v.held]
        if not held:
            self.ask_page()
            return
        self.history.append("what is held runs out")
        self.world.change("update operational.appointment set held_until = now() where held_until is not null")
        waiting = {patient: link for link, _, patient, _, own in self.waiting if not own}
        for visit in held:
            link = waiting.get(visit.patient)
            if link is None or self.random.random() < 0.3:
                continue
            self.expired.add(link)
            self.world.change(
                "update operational.verification set expires_at = statement_timestamp() where verification_id = %s",
                link.removeprefix("/verify/"),
            )
        asyncio.run(self._release())
        for visit in held:
            if waiting.get(visit.patient) in self.expired and visit.status == "booked" and not visit.deleted:
                visit.status = "cancelled"

    async def _release(self) -> None:
        pool = make_pool(self.world.server, timeout_ms=5000)
        async with pool:
            await release_due(pool, codec_of(self.world.server))
