"""Acts about bookings: who books for whom, the same once more, and whose it was."""

from typing import Any

import access_world
from booking import at
from core_families import Families
from core_model import CLINICS, COME_BACK, NOT_THERE, OK, Case, Person, Registration, Visit

from api.messages.port import MessageKind
from tests.utc import today

SLOTS = [at(9 + half / 2) for half in range(5)]
SOURCES = ("s1", "s2", "s3")


class Bookings(Families):
    """As `Families`."""

    def __init__(self, *values: Any) -> None:
        self.sources: dict[tuple[str, str, str], str] = {}
        self.booked: list[tuple[str, str, dict[str, Any], str, str]] = []
        # Verifications: link, clinic, patient, email, and whether staff had it sent.
        self.waiting: list[tuple[str, str, str, str, bool]] = []
        self.holders: dict[str, str] = {}
        self.expired: set[str] = set()  # links whose code is too old
        super().__init__(*values)
        self.holders = {str(p.email): p.name for p in self.model.people.values() if p.email}

    # Booking.

    def book(self) -> None:
        by = self.random.choice(["own", "own", "own", "id", "source", "new"])
        clinic = self.random.choice(CLINICS)
        whose = f"Dr. {clinic.title()}" + self.random.choice(["", " Junior"])
        body: dict[str, Any] = {"service": "visit", "specialist": whose, "starts_at": self.random.choice(SLOTS)}
        {"own": self._book_own, "id": self._book_by_id, "source": self._book_by_source, "new": self._book_new}[by](
            clinic, body
        )

    def _post(self, who: str, clinic: str, body: dict[str, Any]) -> Any:
        key = self.fresh("key").replace(" ", "-")
        self.key = key
        return self.ask(who, "POST", f"clinics/{clinic}/bookings", body, **{"Idempotency-Key": key})

    def _new_visit(self, answer: Any, who: str, clinic: str, body: dict[str, Any], patient: str) -> None:
        vid = answer.json()["id"]
        self.model.visits[vid] = Visit(vid, clinic, patient, body["specialist"], "booked", body["starts_at"])
        self.booked.append((who, self.key, body, clinic, vid))

    def _at(self, clinic: str, body: dict[str, Any], patient: str) -> set[str]:
        """Refusals of a time that is taken."""
        taken = self.model.taken(Visit("", clinic, patient, body["specialist"], "booked", body["starts_at"]))
        return {"409 double_booked"} if taken else set()

    def _book_own(self, clinic: str, body: dict[str, Any]) -> None:
        login, dependent, person, _ = self.somebody()
        body |= {"dependent": dependent} if dependent else {}
        answer, model = self._post(login, clinic, body), self.model
        if not person:
            self.expect(answer, NOT_THERE)
            return
        found = model.at(clinic, person.name)
        refused = self._at(clinic, body, found.patient if found else "")
        if found and found.gone and found.gone not in COME_BACK:
            refused.add("409 deleted")
        if self.expect(answer, *(refused or {OK})):
            if not found:
                ((patient,),) = self.world.look(
                    "select patient_id::text from operational.appointment where appointment_id = %s",
                    answer.json()["id"],
                )
                found = model.registrations[patient] = Registration(clinic, patient, person.name)
            found.gone = None
            self._new_visit(answer, login, clinic, body, found.patient)

    def _who_books(self, clinic: str) -> str:
        return self.random.choice([f"staff.{clinic}", f"key:{clinic}.bookings"])

    def _book_by_id(self, clinic: str, body: dict[str, Any]) -> None:
        patient = self.random.choice(list(self.model.registrations))
        self._book_known(self._who_books(clinic), clinic, {**body, "patient": {"id": patient}}, patient)

    def _book_known(self, who: str, clinic: str, body: dict[str, Any], patient: str) -> None:
        model, found = self.model, self.model.registrations[patient]
        by_id = "id" in body["patient"]
        answer = self._post(who, clinic, body)
        if (
            found.clinic != clinic
            or (found.gone and by_id)
            or (found.gone in (*COME_BACK, None) and not model.alive(found.person))
        ):
            self.expect(answer, NOT_THERE)
            return
        refused = self._at(clinic, body, patient)
        if found.gone and found.gone not in COME_BACK:
            refused = {"409 deleted"}
        if self.expect(answer, *(refused or {OK})):
            assert answer.json()["patient"] == patient
            found.gone = None
            self._new_visit(answer, who, clinic, body, patient)

    def _book_by_source(self, clinic: str, body: dict[str, Any]) -> None:
        who, source = self._who_books(clinic), self.random.choice(SOURCES)
        known = self.sources.get((clinic, who, source))
        if known:
            self._book_known(who, clinic, {**body, "patient": {"source_id": source}}, known)
        else:
            self._book_new(clinic, body, who=who, source=source)

    def _book_new(self, clinic: str, body: dict[str, Any], who: str = "", source: str | None = None) -> None:
        who = who or self._who_books(clinic)
        name = self.fresh("Canary Swift")
        email = self.random.choice([*self.holders, f"{name.split()[-1]}@example.org"])
        patient = {"name": name, "email": email} | ({"source_id": source} if source else {})
        body = {**body, "patient": patient}
        before = len(self.mailbox.messages)
        answer = self._post(who, clinic, body)
        if not self.expect(answer, *(self._at(clinic, body, "") or {OK})):
            return
        found = answer.json()["patient"]
        assert found not in self.model.registrations
        self.model.people[name] = Person(name)
        self.model.registrations[found] = Registration(clinic, found, name)
        if source:
            self.sources[clinic, who, source] = found
        self._new_visit(answer, who, clinic, body, found)
        self._codes_since(before, clinic, found, email)

    def _codes_since(self, before: int, clinic: str, patient: str, email: str, *, own: bool = False) -> None:
        for message in self.mailbox.messages[before:]:
            if message.kind is MessageKind.CODE:
                assert message.address == email
                self.waiting.append((str(message.link), clinic, patient, email, own))

    def again(self) -> None:
        """The same key with the same booking, or with another."""
        if not self.booked:
            return
        who, key, body, clinic, vid = self.random.choice(self.booked)
        model, visit = self.model, self.model.visits[vid]
        same = self.random.random() < 0.7
        sent = body if same else {**body, "starts_at": at(20)}
        before = self.rows()
        answer = self.ask(who, "POST", f"clinics/{clinic}/bookings", sent, **{"Idempotency-Key": key})
        own = "patient" not in body
        if own and model.whose(who, body.get("dependent")) is None:
            self.expect(answer, NOT_THERE)
        elif self.expect(answer, OK if same else "422 reused"):
            assert answer.json()["id"] == vid
            assert answer.json()["patient"] == (None if own else visit.patient)
            assert own or not same or self.recorded() == [(visit.patient, False)]
        assert self.rows() == before, "asked again, nothing changes"

    def rows(self) -> Any:
        tables = (
            "person",
            "registration",
            "appointment",
            "form",
            "message",
            "verification",
            "booking_request",
            "outbox",
        )
        return [self.world.look(f"select count(*) from operational.{table}") for table in tables]

    # Whose it was.

    def verify(self) -> None:
        """Whoever has a code says whose booking it was."""
        if not self.waiting:
            self.book()
            return
        which = self.random.choice(self.waiting)
        link, clinic, patient, email, own = which
        path = f"verifications/{link.removeprefix('/verify/')}"
        if self.random.random() < 0.15:
            self.expect(self.ask("", "POST", path, {"code": "0000000"}), "422 not_good")
            return
        if link in self.expired:
            body = {"code": self.code(link), "booked_for": "self"}
            self.expect(self.ask("", "POST", path, body), "422 not_good")
            self._renew(link, path)
            return
        self.waiting.remove(which)
        code = self.code(link)
        if own:
            self._verify_their_own(path, {"code": code}, clinic, patient, email)
            return
        mode = self.random.choice(["self", "self", "someone_new", "new_dependent", "dependent", "dependent"])
        person = self.model.people[self.model.registrations[patient].person]
        body = {"code": code, "booked_for": mode}
        getattr(self, f"_for_{mode}")(path, body, clinic, patient, email, person)
        if which not in self.waiting and self.random.random() < 0.3:
            self.expect(self.ask("", "POST", path, {"code": code}), "422 not_good")

    def run_out(self) -> None:
        """Time passes for a code that nobody answered."""
        if self.waiting:
            link = self.random.choice(self.waiting)[0]
            self.history.append(f"{link} runs out")
            self.expired.add(link)
            self.world.change(
                "update operational.verification set expires_at = statement_timestamp() where verification_id = %s",
                link.removeprefix("/verify/"),
            )

    def _renew(self, link: str, path: str) -> None:
        """A link brings five codes at all, each of which ends the one before."""
        old, before = self.code(link), [m.link for m in self.mailbox.messages].count(link)
        self.expect(self.ask("", "POST", f"{path}/code"), OK)
        assert [m.link for m in self.mailbox.messages].count(link) == min(before + 1, 5)
        if before < 5:
            self.expired.discard(link)
            if self.code(link) != old:
                self.expect(self.ask("", "POST", path, {"code": old, "booked_for": "self"}), "422 not_good")

    def _welcome(self, name: str, email: str, *roles: str) -> None:
        """An account that is new sets its password, and can sign in."""
        message = self.mailbox.messages[-1]
        assert message.kind is MessageKind.WELCOME and message.address == email
        token = str(message.link).removeprefix("/password/")
        body = {"token": token, "password": access_world.PASSWORD}
        person = self.model.people[name]
        person.login, person.email = self.done("", "POST", "passwords", body)["login"], email
        person.roles |= {*roles}
        self.holders.setdefault(email, name)

    def _for_self(self, path: str, body: Any, clinic: str, patient: str, email: str, person: Person) -> None:
        holder = self.holders.get(email)
        if self._provisional(self.ask("", "POST", path, body), person):
            if holder is None:
                self._welcome(person.name, email, "patient")
            else:
                self._relinked(clinic, patient, holder)
                self.model.people[holder].roles.add("patient")

    def _for_someone_new(self, path: str, body: Any, clinic: str, patient: str, email: str, person: Person) -> None:
        if self._provisional(self.ask("", "POST", path, body), person):
            self._welcome(person.name, email, "patient")

    def _for_new_dependent(self, path: str, body: Any, clinic: str, patient: str, email: str, person: Person) -> None:
        holder, born = self.holders.get(email), f"{today().year - 6}-01-01"
        name = self.fresh("Canary Plover")
        more = {"booked_for": "dependent", "relationship": "parent", "holder_name": name, "birth_date": born}
        if not self._provisional(self.ask("", "POST", path, body | more), person):
            return
        if holder is None:
            self.model.people[name] = Person(name)
            self._welcome(name, email, "guardian")
        guardian = self.model.people[holder or name]
        person.born = today().replace(year=today().year - 6, month=1, day=1)
        self.begun(self.newest_guardianship(), guardian, person.name)

    def _for_dependent(self, path: str, body: Any, clinic: str, patient: str, email: str, person: Person) -> None:
        holder = self.holders.get(email)
        of_holder = [g for g in self.model.guardianships.values() if g.guardian == holder]
        if not of_holder:
            self.waiting.append((f"/verify/{path.split('/')[1]}", clinic, patient, email, False))
            return
        chosen = self.random.choice(of_holder)
        answer = self.ask("", "POST", path, body | {"dependent": chosen.id})
        if not self.model.alive(person.name) or person.login:
            self.expect(answer, "422 not_good")
        elif not self.model.stands(chosen):
            self.expect(answer, "422 not_there")
            self.waiting.append((f"/verify/{path.split('/')[1]}", clinic, patient, email, False))
        elif self.expect(answer, OK):
            self._relinked(clinic, patient, chosen.dependent)

    def _provisional(self, answer: Any, person: Person) -> bool:
        good = self.model.alive(person.name) and not person.login and not self.model.standing(person.name)
        return self.expect(answer, OK if good else "422 not_good") and good

    def _relinked(self, clinic: str, patient: str, person: str) -> None:
        theirs = self.model.relink(patient, person)
        if theirs:
            ((case,),) = self.world.look(
                "select case_id::text from operational.merge_case where kept_patient_id = %s and other_patient_id = %s",
                theirs.patient, patient,
            )  # fmt: skip
            self.model.cases[case] = Case(clinic, theirs.patient, patient)

    def on_their_own(self) -> None:
        """Staff has a code sent to an adult patient who has nobody."""
        clinic, patient = self.random.choice(CLINICS), self.random.choice(list(self.model.registrations))
        found, model = self.model.registrations[patient], self.model
        lonely = [each for each in model.registrations if model.is_patient(each) and self._is_on_their_own(each)]
        if lonely and self.random.random() < 0.7:
            patient = self.random.choice(lonely)
            found, clinic = model.registrations[patient], model.registrations[patient].clinic
        email, before = f"{self.fresh('own').replace(' ', '.')}@example.org", len(self.mailbox.messages)
        answer = self.ask(
            f"staff.{clinic}", "POST", f"clinics/{clinic}/patients/{patient}/verifications", {"email": email}
        )
        if found.clinic != clinic or not model.is_patient(patient):
            self.expect(answer, NOT_THERE)
        elif not self._is_on_their_own(patient):
            self.expect(answer, "409 cared_for")
        elif self.expect(answer, OK):
            sent = len(self.mailbox.messages) > before
            if sent:
                self.waiting = [each for each in self.waiting if model.registrations[each[2]].person != found.person]
            self._codes_since(before, clinic, patient, email, own=True)

    def _is_on_their_own(self, patient: str) -> bool:
        found, model = self.model.registrations[patient], self.model
        elsewhere = any(r.clinic != found.clinic for r in model.of_person(found.person))
        return not model.cared_for(found.person) and not elsewhere and model.of_age(found.person)

    def _verify_their_own(self, path: str, body: Any, clinic: str, patient: str, email: str) -> None:
        answer = self.ask("", "POST", path, body)
        if not self.model.is_patient(patient) or not self._is_on_their_own(patient):
            self.expect(answer, "422 not_good")
        elif self.expect(answer, OK):
            self._welcome(self.model.registrations[patient].person, email, "patient")
