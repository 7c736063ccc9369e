"""What everybody sees, compared with the model; and what holds in every state of the database."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from core_chain import NOTHING
from core_model import CLINICS, MESSAGES, PURPOSES, SHARING, Guardianship, Person, Registration
from core_visits import CONTACTS, Visits

from policies.words import Action

# What comes back is compared with this; None is nothing at all: the same 404 as everybody else's.
Sight = Any
OWN_HIDE = Action.OWN_RECORD_HIDE.value


@dataclass(frozen=True)
class Look:
    """Somebody asks for something, and sees this."""

    who: str
    path: str
    sight: Sight
    of: Callable[[Any], Sight]


def looks(chain: Visits) -> Iterator[Look]:
    """Everything that is looked at, by everybody whom it may concern. Which forms there are is the database's own."""
    chain.forms = chain.world.look(
        "select form_id::text, patient_id::text, confidential from operational.form where deleted_at is null"
    )
    for person in chain.model.people.values():
        if person.login and person.deleted_by is None:
            yield from _of_account(chain, person, person.login)
    for registration in chain.model.registrations.values():
        yield from _of_patient(chain, registration)
    for clinic in CLINICS:
        yield from _of_clinic(chain, clinic)


def _contacts_of(found: Any) -> list[str]:
    entries = found.get("emergency_contacts")
    return sorted([entries] if isinstance(entries, str) else [each["name"] for each in entries or []])


def _is_open(log: Any) -> bool:
    """A guardian's log has nothing of what is confidential, nor that the patient made it so."""
    hidden = [each for each in log["accesses"] if "confidential" in each["categories"] or each["action"] == OWN_HIDE]
    return not hidden


def _laws(found: Any) -> Sight:
    return {(each["id"], each["state"]) for each in found["guardians"]}


def _profile(found: Any) -> Sight:
    return found["name"], found["phone"], _contacts_of(found)


def _of_account(chain: Visits, person: Person, login: str) -> Iterator[Look]:
    model, me = chain.model, chain.model.whose(login, None)
    entries = sorted(name for name, _ in person.entries)
    yield Look(login, "me/profile", me and (person.name, person.phone, entries), _profile)
    own = {(g.id, g.dependent) for g in model.guardianships.values() if g.guardian == person.name and model.guards(g)}
    sight = own if "guardian" in person.roles else None
    yield Look(login, "me/dependents", sight, lambda a: {(d["id"], d["name"]) for d in a["dependents"]})
    standing = {(g.id, g.guardian) for g in model.standing(person.name) if model.alive(g.guardian)}
    yield Look(
        login, "me/guardians", standing if me else None, lambda a: {(g["id"], g["name"]) for g in a["guardians"]}
    )
    laws = {(law.id, model.law_state(law)) for law in model.laws.values() if law.person == person.name}
    yield Look(login, "me/legal-guardians", laws if me else None, _laws)
    yield from _records(chain, login, "me", person if me else None, hidden=True)
    for guardianship in model.guardianships.values():
        if guardianship.guardian == person.name or chain.random.random() < 0.2:
            yield from _of_dependent(chain, login, guardianship)


def _of_dependent(chain: Visits, login: str, guardianship: Guardianship) -> Iterator[Look]:
    model, path = chain.model, f"me/dependents/{guardianship.id}"
    person = model.whose(login, guardianship.id)
    entered = sorted(n for n, by in person.entries if by == guardianship.guardian) if person else []
    yield Look(login, f"{path}/profile", person and (person.name, person.phone, entered), _profile)
    yield from _records(chain, login, path, person, hidden=False)
    yield Look(login, f"{path}/access-log", (person is not None) or None, _is_open)
    standing = model.standing(guardianship.dependent)
    holds = person and standing[0].guardian == guardianship.guardian
    others = {(g.id, g.guardian) for g in standing[1:] if model.alive(g.guardian)}

    def named(answer: Any) -> Sight:
        assert all(each.keys().isdisjoint(CONTACTS) for each in answer["guardians"])
        return {(g["id"], g["name"]) for g in answer["guardians"]}

    yield Look(login, f"{path}/guardians", others if holds else None, named)


def _records(chain: Visits, login: str, path: str, person: Person | None, *, hidden: bool) -> Iterator[Look]:
    """Consents, visits and forms of a person; without what is `hidden` for a guardian."""
    model, name = chain.model, person.name if person else ""
    states = {
        (r.clinic, purpose): (model.state(name, r.clinic, purpose), r.gone is None)
        for r in model.of_person(name) for purpose in PURPOSES
        if r.gone is None or (name, r.clinic, purpose) in model.signed
    }  # fmt: skip
    yield Look(login, f"{path}/consents", person and states, lambda a: {
        (c["clinic"], c["purpose"]): (c["state"], c["registered"]) for c in a["consents"]
    })  # fmt: skip
    visits = {(v.id, v.status) for v in model.visits_of(name, hidden=hidden)}
    yield Look(login, f"{path}/appointments", person and visits, lambda a: {
        (v["id"], v["status"]) for v in a["appointments"]
    })  # fmt: skip
    plans = {(p.id, p.done) for p in model.plans_of(name, hidden=hidden)}
    yield Look(login, f"{path}/plans", person and plans, _plans)
    yield Look(login, f"{path}/forms", person and _forms(chain, name, hidden=hidden), lambda a: {
        f["id"] for f in a["forms"]
    })  # fmt: skip


def _plans(found: Any) -> Sight:
    return {(each["id"], each["progress"]["done"]) for each in found["plans"]}


def _forms(chain: Visits, name: str, *, hidden: bool) -> set[str]:
    patients = {r.patient for r in chain.model.of_person(name) if r.gone is None}
    return {form for form, patient, confidential in chain.forms if patient in patients and (hidden or not confidential)}


def _of_patient(chain: Visits, found: Registration) -> Iterator[Look]:
    model, clinic, patient = chain.model, found.clinic, found.patient
    other = CLINICS[1 - CLINICS.index(clinic)]
    person, there = model.people[found.person], model.is_patient(patient)
    shares, reachable = model.consents(patient), model.consents(patient, MESSAGES)
    path = f"clinics/{clinic}/patients/{patient}"
    whole = (person.name, person.phone if shares else None, sorted(n for n, _ in person.entries) if shares else [])

    def profile(answer: Any) -> Sight:
        assert shares or answer.keys() <= {"name", "patient_id"}, "keys that are not shared are absent"
        return answer["name"], answer.get("phone"), _contacts_of(answer)

    treated = there and model.treats(f"Dr. {clinic.title()}", patient)
    yield Look(f"specialist.{clinic}", f"{path}/profile", whole if treated else None, profile)
    yield Look(f"key:{clinic}.contact", f"{path}/profile", whole if there else None, profile)
    born = (person.name, str(person.born) if shares and person.born else None)
    yield Look(f"key:{clinic}.profile", f"{path}/profile", born if there else None, lambda a: (
        a["name"], a.get("birth_date")
    ))  # fmt: skip
    if clinic == "north":
        sight = (person.name, person.phone) if shares and reachable else None
        yield Look("key:north.messages", f"{path}/profile", sight, lambda a: (a["name"], a["phone"]))
    plans = {(p.id, p.done) for p in model.plans.values() if p.patient == patient and not p.deleted}
    yield Look(f"specialist.{clinic}", f"{path}/plans", plans if treated else None, _plans)
    forms = {form for form, patient_of, _ in chain.forms if patient_of == patient}
    yield Look(f"staff.{clinic}", f"{path}/forms", forms if there else None, lambda a: {f["id"] for f in a["forms"]})
    stand = {SHARING: shares, MESSAGES: reachable}
    yield Look(f"staff.{clinic}", f"{path}/consents", stand if there else None, lambda a: {
        c["purpose"]: c["stands"] for c in a["consents"]
    })  # fmt: skip
    guardians = sorted(g.guardian for g in model.standing(person.name) if model.alive(g.guardian))
    yield Look(f"staff.{clinic}", f"{path}/guardians", guardians if there else None, lambda a: sorted(
        g["name"] for g in a["guardians"] if g.keys().isdisjoint(CONTACTS)
    ))  # fmt: skip
    emails = sorted((g, model.people[g].email or "") for g in guardians)
    yield Look(f"staff.{clinic}", f"{path}/guardians/contacts", emails if shares else None, lambda a: sorted(
        (g["name"], g.get("email") or "") for g in a["guardians"]
    ))  # fmt: skip
    for who in (
        f"staff.{clinic}",
        f"manager.{clinic}",
        f"key:{other}.contact",
        f"specialist.{other}",
        "auditor.north",
        "admin",
        chain.login(),
    ):
        yield Look(who, f"{path}/profile", None, profile)
    yield Look(f"specialist.{other}", f"clinics/{other}/patients/{patient}/profile", None, profile)
    yield Look(f"staff.{other}", f"clinics/{other}/patients/{patient}/consents", None, profile)


def _of_clinic(chain: Visits, clinic: str) -> Iterator[Look]:
    model, specialist = chain.model, f"Dr. {clinic.title()}"
    days = {v.slot[:10] for v in model.visits.values() if v.slot and v.clinic == clinic}
    for day in days:
        coming = [v for v in model.visits.values() if v.clinic == clinic and v.slot and v.slot[:10] == day]
        seen = [(v, model.people[model.registrations[v.patient].person].name) for v in coming if model.is_seen(v)]
        path = f"clinics/{clinic}/appointments?day={day}&limit=100"

        def of_day(answer: Any) -> Sight:
            return {(v["id"], v["patient"], v["name"], v["status"]) for v in answer["appointments"]}

        whole = {(v.id, v.patient, name, v.status) for v, name in seen}
        yield Look(f"staff.{clinic}", path, whole, of_day)
        theirs = {
            (v.id, v.patient, n, v.status) for v, n in seen if v.specialist == specialist and v.status != "cancelled"
        }
        yield Look(f"specialist.{clinic}", path, theirs, lambda a, of_day=of_day: {
            each for each in of_day(a) if each[3] != "cancelled"
        })  # fmt: skip
    cases = {(case, found.kept, found.other) for case, found in model.cases.items() if found.clinic == clinic}
    yield Look(f"staff.{clinic}", f"clinics/{clinic}/merges", cases, lambda a: {
        (c["id"], c["kept"]["patient"], c["other"]["patient"]) for c in a["cases"]
    })  # fmt: skip
    laws = {(law.id, model.law_state(law)) for law in model.laws.values() if law.clinic == clinic}
    open_laws = {(law, state) for law, state in laws if state != "ended"}
    yield Look(f"manager.{clinic}", f"clinics/{clinic}/legal-guardians", open_laws, _laws)
    for visit in model.visits.values():
        if visit.clinic == clinic:
            there = model.is_seen(visit) and visit.specialist == specialist and visit.status != "cancelled"
            shares = model.consents(visit.patient)

            def shown(answer: Any, shares: bool = shares) -> Sight:
                assert answer["profile"] is None or answer["profile"].keys().isdisjoint(CONTACTS)
                return answer["profile"] is not None

            yield Look(
                f"specialist.{clinic}",
                f"clinics/{clinic}/appointments/{visit.id}/brief",
                shares if there else None,
                shown,
            )


def compare(chain: Visits, look: Look) -> None:
    """Ask, and see what the model sees."""
    answer = chain.ask(look.who, "GET", look.path)
    if look.sight is None:
        assert (answer.status_code, answer.json()) == (404, NOTHING), f"{look}: {answer.text}"
        return
    assert answer.status_code == 200, f"{look}: {answer.text}"
    assert look.of(answer.json()) == look.sight, f"{look}: {answer.text}"
