"""Acts of admins and managers: where a clinic is, how long guardians' signatures stand, and guardians by law."""

from datetime import timedelta

from core_care import Care
from core_model import AGES, CLINICS, NOT_THERE, OK, Law

from tests.utc import today

COUNTRIES = ("DE", *AGES)
REASON = {"reason": "no_longer"}


class Lawful(Care):
    """As `Families`; all acts together."""

    def move(self) -> None:
        clinic, country = self.random.choice(CLINICS), self.random.choice(COUNTRIES)
        who = self.random.choice(["admin", "admin", "admin", f"manager.{clinic}"])
        body = {"time_zone": str(self.zone(clinic)), "country": country}
        answer = self.ask(who, "PUT", f"clinics/{clinic}/settings/location", body)
        if self.expect(answer, OK if who == "admin" else NOT_THERE):
            self.model.move(clinic, country)

    def _begin(self) -> None:
        super()._begin()
        for clinic in CLINICS:
            self._give(clinic)

    def give_grace(self) -> None:
        self._give(self.random.choice(CLINICS))

    def _give(self, clinic: str) -> None:
        days = self.random.choice([0, 90])
        self.done("admin", "PUT", f"clinics/{clinic}/settings/retention", {"consent_grace_days": days})
        self.model.grace[clinic] = days

    # Guardians by law.

    def propose(self) -> None:
        model, clinic = self.model, self.random.choice(CLINICS)
        adults = [r.patient for r in model.registrations.values() if model.of_age(r.person)]
        patient = self.random.choice(adults if self.random.random() < 0.8 else list(model.registrations))
        found = model.registrations[patient]
        clinic = found.clinic if self.random.random() < 0.85 else clinic
        who = self.random.choice(["admin", "admin", "admin", f"manager.{clinic}"])
        email = self.random.choice(list(self.holders))
        body = {"basis": "court_order", "until": str(today() + timedelta(days=400)), "email": email}
        answer = self.ask(who, "POST", f"clinics/{clinic}/patients/{patient}/legal-guardians", body)
        if who != "admin" or found.clinic != clinic or not model.is_patient(patient):
            self.expect(answer, NOT_THERE)
        elif self.expect(answer, OK if model.of_age(found.person) else "409 not_of_age"):
            law = Law(answer.json()["id"], clinic, found.person, email)
            model.laws[law.id] = law

    def confirm(self) -> None:
        if not self.model.laws:
            self.propose()
            return
        model, law = self.model, self.random.choice(list(self.model.laws.values()))
        clinic = law.clinic if self.random.random() < 0.9 else self.random.choice(CLINICS)
        who, before = f"manager.{clinic}", len(self.mailbox.messages)
        path = f"clinics/{clinic}/legal-guardians/{law.id}/confirm"
        answer = self.ask(who, "POST", path, {"document": "52 XVII 123/26"})
        registered = model.at(law.clinic, law.person)
        if clinic != law.clinic:
            self.expect(answer, NOT_THERE)
        elif not model.of_age(law.person):
            self.expect(answer, "409 not_of_age")
        elif law.code or law.revoked or registered is None or registered.gone:
            self.expect(answer, NOT_THERE)
        elif self.expect(answer, OK):
            (law.code,) = [m.code for m in self.mailbox.messages[before:] if m.address == law.email]

    def redeem(self) -> None:
        model = self.model
        open_laws = [law for law in model.laws.values() if law.code]
        if not open_laws:
            self.confirm()
            return
        law = self.random.choice(open_laws)
        holder = model.people[self.holders[law.email]].login
        login = holder if holder and self.random.random() < 0.8 else self.login()
        me = model.of_login(login)
        if not model.alive(me.name):
            return
        answer = self.ask(login, "POST", "me/guardianships", {"code": law.code, "relationship": "parent"})
        own = [g for g in model.guardianships.values() if (g.guardian, g.dependent) == (me.name, law.person)]
        if me.email != law.email or law.guardianship or law.revoked:
            self.expect(answer, NOT_THERE)
        elif me.name == law.person:
            self.expect(answer, "409 oneself")
        elif not model.of_age(law.person) or not model.alive(law.person):
            self.expect(answer, NOT_THERE)
        elif any(model.stands(g) or not g.before_today for g in own):
            self.expect(answer, "409 guardian_already")
        elif self.expect(answer, OK):
            law.guardianship = answer.json()["id"]
            self.begun(law.guardianship, me, law.person, agreed=True)
            model.guardianships[law.guardianship].by_law = True

    def end_by_law(self) -> None:
        """What a clinic ends leaves what the guardian entered."""
        if not self.model.laws:
            self.propose()
            return
        law = self.random.choice(list(self.model.laws.values()))
        clinic = law.clinic if self.random.random() < 0.9 else self.random.choice(CLINICS)
        who = self.random.choice(["admin", f"manager.{clinic}", f"manager.{clinic}", f"staff.{clinic}"])
        answer = self.ask(who, "POST", f"clinics/{clinic}/legal-guardians/{law.id}/end", REASON)
        if who.startswith("staff") or clinic != law.clinic or self.model.law_state(law) == "ended":
            self.expect(answer, NOT_THERE)
        elif self.expect(answer, OK):
            law.revoked = law.guardianship is None
            if law.guardianship:
                self.model.guardianships[law.guardianship].ended = True

    def contest(self) -> None:
        if not self.model.laws:
            return
        law = self.random.choice(list(self.model.laws.values()))
        login = self.model.people[law.person].login
        if login is None or self.random.random() < 0.2:
            login = self.login()
        if not self.model.alive(self.model.of_login(login).name):
            return
        answer = self.ask(login, "POST", f"me/legal-guardians/{law.id}/contest")
        mine = self.model.whose(login, None) is not None and self.model.of_login(login).name == law.person
        good = mine and not law.contested and self.model.law_state(law) != "ended"
        if self.expect(answer, OK if good else NOT_THERE):
            law.contested = True


ACTS = {
    "sign": 5, "revoke": 4, "publish": 1, "edit": 5, "invite": 2, "join": 5, "add": 1, "leave": 2, "end_other": 3,
    "restore": 1, "grow_up": 2, "book": 7, "again": 1, "verify": 8, "on_their_own": 1, "decide": 5, "delete": 4,
    "delete_visit": 2, "step": 4, "hide": 3, "answer_form": 3, "act_as": 1, "run_out": 1, "ask_page": 1, "release": 1,
    "prescribe": 2, "tick": 3, "end_plan": 1, "conceal": 3, "move": 2, "give_grace": 1, "propose": 1, "confirm": 1,
    "redeem": 2, "end_by_law": 1, "contest": 1,
}  # fmt: skip
