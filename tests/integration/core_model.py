"""What the operational core is to do, in plain Python: people, registrations, consents, guardianships and visits.

It knows nothing of the API or the database: `core_chain.py` does the same to both, and `core_looks.py` compares.
An outcome is `ok`, `404`, or status and rule of a refusal.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from tests.utc import today

CLINICS = ("north", "south")
SHARING, MESSAGES = PURPOSES = ("profile_sharing", "communications")
OK, NOT_THERE = "ok", "404"
FREEING = ("cancelled", "noshow")
COME_BACK = ("asked", "moved_away", "no_longer")
MERGED = "merged with another registration"
NOBODY = "-"
# Ages of majority; everywhere else it is 18.
AGES = {"KR": 19, "SG": 21}


@dataclass
class Person:
    """A human, found by the name, with the emergency contacts and who entered each."""

    name: str
    login: str | None = None
    born: date | None = None
    phone: str | None = None
    entries: list[tuple[str, str | None]] = field(default_factory=list)
    roles: set[str] = field(default_factory=set)
    email: str | None = None
    deleted_by: str | None = None  # a guardianship, or who else did it


@dataclass
class Registration:
    """A person at a clinic; `gone` is the reason of its deletion."""

    clinic: str
    patient: str
    person: str
    gone: str | None = None


@dataclass
class Signed:
    """The newest event of a person for a clinic and purpose."""

    revoked: bool = False
    text: str = "v1"
    over: bool = False
    by_guardian: bool = False
    on: date = field(default_factory=today)


@dataclass
class Guardianship:
    """Of whom somebody is the guardian, in the order in which they began."""

    id: str
    guardian: str
    dependent: str
    agreed: bool = False
    ended: bool = False
    before_today: bool = False
    age: int = 18
    by_law: bool = False


@dataclass
class Visit:
    """An appointment; what has no `slot` was imported, or is long past."""

    id: str
    clinic: str
    patient: str
    specialist: str
    status: str
    slot: str | None = None
    hidden: bool = False
    deleted: bool = False
    past: bool = False
    held: bool = False

    @property
    def takes_time(self) -> bool:
        return self.slot is not None and self.status not in FREEING and not self.deleted


@dataclass
class Plan:
    """A treatment plan, how often its exercise was done until today, and whose it is."""

    id: str
    clinic: str
    patient: str
    by: str | None
    done: int = 0
    hidden: bool = False
    deleted: bool = False
    over: bool = False


@dataclass
class Law:
    """How an adult comes to have a guardian by law: until it is confirmed there is no code."""

    id: str
    clinic: str
    person: str
    email: str
    code: str | None = None
    guardianship: str | None = None
    revoked: bool = False
    contested: bool = False


@dataclass
class Case:
    """Two registrations that may be one patient's."""

    clinic: str
    kept: str
    other: str


@dataclass
class Model:
    """All of it."""

    people: dict[str, Person] = field(default_factory=dict)
    registrations: dict[str, Registration] = field(default_factory=dict)
    signed: dict[tuple[str, str, str], Signed] = field(default_factory=dict)
    # Versions of each text, the oldest first, and whether it is required.
    texts: dict[tuple[str, str], list[tuple[str, bool]]] = field(default_factory=dict)
    guardianships: dict[str, Guardianship] = field(default_factory=dict)
    visits: dict[str, Visit] = field(default_factory=dict)
    cases: dict[str, Case] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    laws: dict[str, Law] = field(default_factory=dict)
    countries: dict[str, str] = field(default_factory=dict)
    grace: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CLINICS, 90))

    # Who is who.

    def alive(self, person: str) -> bool:
        return self.people[person].deleted_by is None

    def of_login(self, login: str) -> Person:
        return next(p for p in self.people.values() if p.login == login)

    def majority(self, clinic: str) -> int:
        return AGES.get(self.countries[clinic], 18)

    def age_of_majority(self, *people: str) -> int:
        """By the clinics of the first of them who is a patient anywhere."""
        found = ([self.majority(r.clinic) for r in self.of_person(each) if r.gone is None] for each in people)
        return next((min(ages) for ages in found if ages), 18)

    def of_age(self, person: str) -> bool:
        return self.is_so_old(person, self.age_of_majority(person))

    def is_so_old(self, person: str, age: int) -> bool:
        born = self.people[person].born
        return born is not None and on_birthday(born, age) <= today()

    def stands(self, guardianship: Guardianship) -> bool:
        grown = self.is_so_old(guardianship.dependent, guardianship.age)
        return not guardianship.ended and (guardianship.agreed or not grown)

    def guards(self, guardianship: Guardianship) -> bool:
        """Whether it gives the guardian anything today."""
        return (
            self.stands(guardianship)
            and self.alive(guardianship.dependent)
            and self.alive(guardianship.guardian)
            and "guardian" in self.people[guardianship.guardian].roles
        )

    def standing(self, dependent: str) -> list[Guardianship]:
        """Guardianships of today, the account holder's first."""
        found = [g for g in self.guardianships.values() if g.dependent == dependent and self.stands(g)]
        return sorted(found, key=lambda g: not g.before_today)

    def whose(self, login: str, dependent: str | None) -> Person | None:
        """The person whom a login may act for: themself, or the dependent of a guardianship of theirs."""
        me = self.of_login(login)
        if dependent is None:
            return me if self.alive(me.name) and "patient" in me.roles else None
        found = self.guardianships.get(dependent)
        mine = found is not None and found.guardian == me.name and self.guards(found)
        return self.people[found.dependent] if found and mine else None

    def cared_for(self, person: str) -> bool:
        return bool(self.standing(person)) or self.people[person].login is not None

    # Patients of clinics.

    def is_patient(self, patient: str) -> bool:
        found = self.registrations[patient]
        return found.gone is None and self.alive(found.person)

    def at(self, clinic: str, person: str) -> Registration | None:
        return next((r for r in self.registrations.values() if (r.clinic, r.person) == (clinic, person)), None)

    def of_person(self, person: str) -> Iterator[Registration]:
        return (r for r in self.registrations.values() if r.person == person)

    def state(self, person: str, clinic: str, purpose: str) -> str:
        found = self.signed.get((person, clinic, purpose))
        if found is None:
            return "never"
        if found.revoked:
            return "revoked"
        # Of several reasons the first one counts: days of grace are over since midnight at the latest.
        if self._has_lapsed(person, clinic, found):
            return "lapsed"
        if found.over:
            return "expired"
        return "outdated" if self._is_outdated(clinic, purpose, found.text) else "signed"

    def _has_lapsed(self, person: str, clinic: str, signed: Signed) -> bool:
        """Of what a guardian signed before the person came of age there: whether the days of grace are over."""
        born = self.people[person].born
        if born is None or not signed.by_guardian:
            return False
        of_age = on_birthday(born, self.majority(clinic))
        return signed.on < of_age and of_age + timedelta(days=self.grace[clinic]) <= today()

    def _is_outdated(self, clinic: str, purpose: str, text: str) -> bool:
        texts = self.texts[clinic, purpose]
        return any(required for _, required in texts[[version for version, _ in texts].index(text) + 1 :])

    def consents(self, patient: str, purpose: str = SHARING) -> bool:
        found = self.registrations[patient]
        return self.is_patient(patient) and self.state(found.person, found.clinic, purpose) == "signed"

    def treats(self, specialist: str, patient: str) -> bool:
        return any(
            v.patient == patient and v.specialist == specialist and v.status != "cancelled" and not v.deleted
            for v in self.visits.values()
        ) or any(p.patient == patient and p.by == specialist and not p.deleted for p in self.plans.values())

    def plans_of(self, person: str, *, hidden: bool) -> list[Plan]:
        """As `visits_of`."""
        patients = {r.patient for r in self.of_person(person) if r.gone is None}
        return [p for p in self.plans.values() if p.patient in patients and not p.deleted and (hidden or not p.hidden)]

    def visits_of(self, person: str, *, hidden: bool) -> list[Visit]:
        """What a person, or without what is `hidden` a guardian, finds of all clinics."""
        patients = {r.patient for r in self.of_person(person) if r.gone is None}
        return [v for v in self.visits.values() if v.patient in patients and not v.deleted and (hidden or not v.hidden)]

    def is_seen(self, visit: Visit) -> bool:
        return not visit.deleted and self.is_patient(visit.patient)

    def taken(self, visit: Visit) -> set[str]:
        """Whose time another appointment takes at the time of this one."""
        others = [
            v for v in self.visits.values() if v.clinic == visit.clinic and v.slot == visit.slot and v.takes_time
            and v.id != visit.id
        ]  # fmt: skip
        found = {"specialist" for v in others if v.specialist == visit.specialist}
        hidden = visit.hidden or not visit.slot
        return found | {"patient" for v in others if v.patient == visit.patient and not v.hidden and not hidden}

    # What changes.

    def sign(self, person: str, clinic: str, purpose: str, by: str, *, over: bool = False) -> None:
        text = self.texts[clinic, purpose][-1][0]
        self.signed[person, clinic, purpose] = Signed(text=text, over=over, by_guardian=by != person)

    def move(self, clinic: str, country: str) -> None:
        """Of whom the clinic has registered, or whose guardian, the age is worked out anew; what has ended stays so."""
        if self.countries[clinic] == country:
            return
        self.countries[clinic] = country
        known = {r.person for r in self.registrations.values() if r.clinic == clinic}
        for each in self.guardianships.values():
            if known & {each.guardian, each.dependent} and not self.is_so_old(each.dependent, each.age):
                each.age = self.age_of_majority(each.dependent, each.guardian)

    def lower_ages(self) -> None:
        """A clinic that comes to know a dependent can only lower the age."""
        for each in self.guardianships.values():
            for found in self.of_person(each.dependent):
                if found.gone is None:
                    each.age = min(each.age, self.majority(found.clinic))

    def end(self, guardianship: Guardianship) -> None:
        """A guardian leaves, or is ended: what they entered goes too."""
        guardianship.ended = True
        dependent = self.people[guardianship.dependent]
        dependent.entries = [(name, by) for name, by in dependent.entries if by != guardianship.guardian]

    def delete_registration(self, patient: str, reason: str) -> None:
        self.registrations[patient].gone = reason
        for visit in self.visits.values():
            if visit.patient == patient and visit.status == "booked" and visit.slot and not visit.deleted:
                visit.status = "cancelled" if not visit.past else visit.status

    def relink(self, patient: str, person: str) -> Registration | None:
        """A provisional registration turns out to be a person's; the one that they had already, if they had."""
        found = self.registrations[patient]
        theirs = self.at(found.clinic, person)
        provisional = found.person
        if found.gone is None and theirs is None:
            found.person = person
        if not any(r.gone is None for r in self.of_person(provisional)):
            self.people[provisional].deleted_by = "found to be known"
        return theirs if found.gone is None else None

    def merge(self, case: Case) -> None:
        for visit in self.visits.values():
            if visit.patient == case.other:
                visit.patient = case.kept
        for plan in self.plans.values():
            if plan.patient == case.other:
                plan.patient = case.kept
        self.registrations[case.kept].gone = None
        other = self.registrations[case.other]
        other.gone = MERGED
        if not any(r.gone is None for r in self.of_person(other.person)):
            self.people[other.person].deleted_by = MERGED

    # Guardians by law.

    def law_state(self, law: Law) -> str:
        """As the adult and the clinic see it."""
        if law.guardianship:
            return "redeemed" if self.stands(self.guardianships[law.guardianship]) else "ended"
        return "ended" if law.revoked else "confirmed" if law.code else "proposed"


def on_birthday(born: date, age: int) -> date:
    """The day somebody is so old."""
    leap_day = (born.month, born.day) == (2, 29)
    return born.replace(year=born.year + age, day=28 if leap_day else born.day)
