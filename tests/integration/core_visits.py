"""Acts of a clinic: doubtful registrations, deletions, steps of visits, forms; and of an admin."""

from typing import Any

from core_bookings import SLOTS, Bookings
from core_model import CLINICS, MERGED, NOT_THERE, OK, Case, Visit
from impersonating import TERMS

from policies.words import DeletionReason

CONTACTS = {"phone", "email", "address", "policy_number", "emergency_contacts"}


class Visits(Bookings):
    """As `Families`; all acts together."""

    # Doubtful registrations, and deletions.

    def decide(self) -> None:
        if not self.model.cases:
            return
        case_id, case = self.random.choice(list(self.model.cases.items()))
        if self.model.is_patient(case.kept) and self.random.random() < 0.3:
            self._delete(case.clinic, case.kept)
        decision = self.random.choice(["merge", "merge", "distinct"])
        clinic = self.random.choice([*[case.clinic] * 5, *CLINICS])
        path = f"clinics/{clinic}/merges/{case_id}"
        answer = self.ask(f"staff.{clinic}", "POST", path, {"decision": decision})
        if clinic != case.clinic:
            self.expect(answer, NOT_THERE)
        elif self.expect(answer, OK if decision == "distinct" else self._merging(case)):
            del self.model.cases[case_id]
            if decision == "merge":
                self.model.merge(case)
                self.sources = {each: case.kept if p == case.other else p for each, p in self.sources.items()}

    def _merging(self, case: Case) -> str:
        if not self.model.alive(self.model.registrations[case.kept].person):
            return "409 deleted"
        return "409 conflicting_records" if self._conflict(case) else OK

    def _conflict(self, case: Case) -> bool:
        visits = [each for each in self.model.visits.values() if each.takes_time and not each.hidden]
        kept, other = ({each.slot for each in visits if each.patient == which} for which in (case.kept, case.other))
        return bool(kept & other)

    def delete(self) -> None:
        model, clinic = self.model, self.random.choice(CLINICS)
        # Of what is deleted more comes back than goes on to be tried.
        gone = [r.patient for r in model.registrations.values() if r.gone]
        patient = self.random.choice(gone if gone and self.random.random() < 0.4 else list(model.registrations))
        if model.cases and self.random.random() < 0.3:
            patient = self.random.choice(list(model.cases.values())).kept
        found = model.registrations[patient]
        if self.random.random() < 0.8:
            clinic = found.clinic
        path = f"clinics/{clinic}/deletions/registration/{patient}"
        if found.gone and self.random.random() < 0.8:
            answer = self.ask("admin", "POST", f"{path}/undo")
            if found.clinic != clinic or found.gone == MERGED or not model.alive(found.person):
                self.expect(answer, NOT_THERE)
            elif self.expect(answer, OK):
                found.gone = None
            return
        self._delete(clinic, patient)

    def _delete(self, clinic: str, patient: str) -> None:
        found, reason = self.model.registrations[patient], self.random.choice(list(DeletionReason)).value
        path = f"clinics/{clinic}/deletions/registration/{patient}"
        answer = self.ask(f"staff.{clinic}", "POST", path, {"reason": reason})
        if found.clinic != clinic or found.gone:
            self.expect(answer, NOT_THERE)
        elif self.expect(answer, OK):
            self.model.delete_registration(patient, reason)

    def delete_visit(self) -> None:
        model, visit = self.model, self.random.choice(list(self.model.visits.values()))
        path = f"clinics/{visit.clinic}/deletions/appointment/{visit.id}"
        if not visit.deleted:
            answer = self.ask(f"staff.{visit.clinic}", "POST", path, {"reason": "mistake"})
            if self.expect(answer, OK):
                visit.deleted = True
            return
        answer = self.ask("admin", "POST", f"{path}/undo")
        back = Visit(**{**vars(visit), "deleted": False})
        if not model.is_patient(visit.patient):
            self.expect(answer, NOT_THERE)
        elif self.expect(answer, "409 double_booked" if back.takes_time and model.taken(back) else OK):
            visit.deleted = False

    # Steps.

    def _coming(self) -> Visit:
        return self.random.choice([v for v in self.model.visits.values() if not v.past])

    def step(self) -> None:
        model, visit = self.model, self._coming()
        step = self.random.choice(["reschedule", "cancel", "correct"])
        body: dict[str, Any] = {}
        become = Visit(**vars(visit))
        if step == "reschedule":
            body["starts_at"] = become.slot = self.random.choice(SLOTS)
        if step == "cancel":
            become.status = "cancelled"
        if step == "correct":
            become.status = self.random.choice(["booked", "fulfilled", "noshow", "cancelled"])
            body |= {"status": become.status, "reason": "other"}
        who, path, there = f"staff.{visit.clinic}", f"clinics/{visit.clinic}", model.is_seen(visit)
        if step != "correct" and self.random.random() < 0.5:
            who, dependent, person, path = self.somebody()
            there = bool(person) and visit in model.visits_of(person.name if person else "", hidden=dependent is None)
        answer = self.ask(who, "POST", f"{path}/appointments/{visit.id}/{step}", body)
        is_from = visit.status == "booked" if step != "correct" else visit.status != "booked"
        moves = become.takes_time and (step == "reschedule" or not visit.takes_time)
        if not there:
            self.expect(answer, NOT_THERE)
        elif not is_from:
            self.expect(answer, f"409 is_{visit.status}")
        elif step == "correct" and become.status == visit.status:
            self.expect(answer, "409 same")
        elif moves and (taken := model.taken(become)):
            rules = {"specialist": "409 double_booked", "patient": "409 patient_double_booked"}
            self.expect(answer, *(rules[each] for each in taken))
        elif self.expect(answer, OK):
            visit.status, visit.slot = become.status, become.slot
            visit.held = visit.held and not who.startswith("staff")

    def hide(self) -> None:
        """The patient, or who treats them, hides a visit from guardians, or shows it again."""
        model, visit = self.model, self.random.choice(list(self.model.visits.values()))
        hidden = self.random.random() < 0.6
        owner = model.people[model.registrations[visit.patient].person]
        if owner.login and self.random.random() < 0.7:
            who, path, there = owner.login, "me", visit in model.visits_of(owner.name, hidden=True)
            there = there and model.whose(who, None) is not None
        else:
            who, path = f"specialist.{visit.clinic}", f"clinics/{visit.clinic}"
            there = model.is_seen(visit) and model.treats(f"Dr. {visit.clinic.title()}", visit.patient)
        answer = self.ask(who, "POST", f"{path}/appointments/{visit.id}/confidential", {"confidential": hidden})
        shown = Visit(**{**vars(visit), "hidden": False})
        if not there:
            self.expect(answer, NOT_THERE)
        elif visit.hidden and not hidden and shown.takes_time and "patient" in model.taken(shown):
            self.expect(answer, "409 double_booked")
        elif self.expect(answer, OK):
            assert path == "me" or self.recorded() == [(visit.patient, visit.hidden or hidden)]
            visit.hidden = hidden

    # Others.

    def answer_form(self) -> None:
        """Complete an open form, of which a consent form signs."""
        login, _, person, path = self.somebody()
        listed = self.ask(login, "GET", f"{path}/forms")
        if not self.expect(listed, OK if person else NOT_THERE) or person is None:
            return
        forms = [
            f for f in listed.json()["forms"] if f["status"] in ("pending", "in_progress") and f["template"] != "i"
        ]
        if not forms:
            return
        form = self.done(login, "GET", f"{path}/forms/{self.random.choice(forms)['id']}")
        answers = {"signature": "Canary Hand"} if form["consent"] else {"score": self.random.randint(0, 10)}
        body: dict[str, Any] = {"answers": answers}
        if self.random.random() < 0.3:
            self.expect(self.ask(login, "PUT", f"{path}/forms/{form['id']}/answers", body), OK)
            return
        if form["consent"]:
            body["consent"] = {each: form["consent"][each] for each in ("text_version", "sha256")}
        if self.expect(self.ask(login, "POST", f"{path}/forms/{form['id']}/complete", body), OK) and form["consent"]:
            by = self.model.of_login(login).name
            self.model.sign(person.name, form["clinic"], "profile_sharing", by)

    def act_as(self) -> None:
        """An admin acts as somebody: reads without contacts, and does nothing."""
        login = self.login()
        opened = self.ask("admin", "POST", "impersonations", {"subject": login, **TERMS})
        if not self.expect(opened, OK):
            return
        as_them = f"as {login} {opened.json()['id']}"
        self.headers[as_them] = {"Authorization": f"Bearer {opened.json()['access_token']}"}
        person = self.model.whose(login, None)
        read = self.ask(as_them, "GET", "me/profile")
        if self.expect(read, OK if person else NOT_THERE):
            assert not read.json().keys() & CONTACTS
        body = {"clinic": "north", "purpose": "profile_sharing"}
        self.expect(self.ask(as_them, "POST", "me/consents/revoke", body), NOT_THERE)
        self.expect(self.ask(as_them, "PATCH", "me/profile", {"sex": "male"}, **{"If-Match": "*"}), NOT_THERE)
        self.expect(self.ask(as_them, "GET", "me/appointments"), NOT_THERE)
        self.done("admin", "POST", f"impersonations/{opened.json()['id']}/end")
