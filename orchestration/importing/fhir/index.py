"""Which clinic a visit or a patient belongs to, and whom an identifier means.

Kept in a private temporary database of the process, so that memory stays flat whatever the files hold; it is gone
with the import.
"""

import sqlite3
from collections.abc import Iterable
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

from orchestration.importing.fhir.mapping import ClinicsOf
from orchestration.importing.fhir.reading import Resource
from orchestration.importing.fhir.references import identifiers, reference
from orchestration.importing.fhir.values import Body, day_of, objects, start_of
from policies.fhir.types import is_restricted

PLACES = frozenset({"Organization", "Location"})
VISITS = frozenset({"Encounter", "Appointment"})
# Of these a reference may name an identifier in place of the id.
NAMED = frozenset({"Patient", "Encounter", "CarePlan", "ServiceRequest"})
MOST_PLACES = 100_000
_URN = "urn:"
# A name that two have means neither.
_ALIAS = """
insert into alias values (?, ?)
on conflict (name) do update set key = case when key = excluded.key then key else '' end"""
_SCHEMA = """
create table alias (name text primary key, key text not null) without rowid;
create index alias_key on alias (key);
create table home (key text primary key, place text not null) without rowid;
create table place (key text primary key, clinic text, part_of text not null) without rowid;
create table visit (key text primary key, patient text not null, places text not null, day text) without rowid;
create index visit_patient on visit (patient);
create table restricted (key text primary key) without rowid;
create table request (key text primary key, plan text not null) without rowid;
"""


class Index:
    """What resources say of each other, by `Type/id`."""

    def __init__(self, clinics: ClinicsOf, zone: ZoneInfo, base: str | None = None) -> None:
        self._clinics, self._zone, self._base = clinics, zone, base
        # An empty name is a temporary file that nobody else can open.
        self._known = sqlite3.connect("", check_same_thread=False)
        self._known.executescript(_SCHEMA)
        self._slugs: dict[str, str | None] = {}
        self._own: dict[str, str | None] = {}
        # An urn means something only within its file.
        self.file = ""

    def close(self) -> None:
        """Forget everything."""
        self._known.close()

    def note(self, resource: Resource) -> None:
        """Remember whom a resource that means what it says is known as, and of places and visits what they are for."""
        body, kind = resource.body, resource.type
        if (kind not in NAMED | PLACES | VISITS and not resource.known_as) or resource.modified_by:
            return
        self._own.clear()
        key = f"{kind}/{body.get('id')}"
        names = identifiers(body) if kind in NAMED or kind in PLACES else []
        if resource.known_as:
            names = [*names, f"{self.file}|{resource.known_as}"]
        self._known.executemany(_ALIAS, [(name, key) for name in names])
        if kind == "Patient" and (place := self.named(body.get("managingOrganization"), "Organization")):
            self._known.execute("insert or replace into home values (?, ?)", [key, place])
        if kind in PLACES:
            self._note_place(key, body)
        elif kind in VISITS:
            self._note_visit(key, body)
            if is_restricted(body):
                self._known.execute("insert or ignore into restricted values (?)", [key])

    def note_request(self, key: str, plan: str) -> None:
        """Remember which plan a request is based on."""
        self._known.execute("insert or replace into request values (?, ?)", [key, plan])

    def resolve(self, key: str | None) -> str | None:
        """The `Type/id` of what a reference means."""
        if key is None or ("?" not in key and not key.startswith(_URN)):
            return key
        literal = key.removeprefix(_URN)
        name = key if "?" in key else f"{self.file}|{literal.partition('/')[2]}"
        found = self._known.execute("select key from alias where name = ?", [name]).fetchone()
        if found is None:
            return None if "?" in key else literal
        return found[0] or None

    def named(self, found: Any, expected: str) -> str | None:
        """What a Reference says, whether anything of that name was met or not; an urn is read within its file."""
        key = reference(found, expected, self._base)
        return self.resolve(key) if key and key.startswith(_URN) else key

    def means(self, found: Any, expected: str) -> str | None:
        """What a Reference means, or, of an identifier that nothing met has, the reference as it is."""
        key = self.named(found, expected)
        return self.resolve(key) or (key if key and "?" in key else None)

    def id_of(self, key: str | None) -> str | None:
        """The id alone of what a reference means."""
        found = self.resolve(key)
        return found.partition("/")[2] if found else None

    def clinic_of(self, places: Iterable[str | None]) -> str | None:
        """The clinic that the first of these places that is one is; the mapping's default if none is."""
        found = (self._slug(place) for place in places if place)
        return next((slug for slug in found if slug), self._clinics.default)

    def clinic_of_places(self, places: Iterable[str], patient: str) -> str | None:
        """The clinic of a patient's visit: of its places; where it names none, of the patient's own; or the default."""
        given = [place for place in places if place]
        return self.clinic_of(given or [self._home(patient)])

    def clinic_of_patient(self, patient: str) -> str | None:
        """The clinic that a patient's own resource names."""
        return self.clinic_named(self._home(patient))

    def clinic_named(self, place: str | None) -> str | None:
        """The clinic that a place is, whatever the default."""
        return self._slug(place) if place else None

    def clinic_for(self, patient: str) -> str | None:
        """The clinic of what says nothing of one: of the patient's own resource, or first visited, or the default."""
        if not self._clinics.of:
            return self._clinics.default
        if len(self._own) > MOST_PLACES:
            self._own.clear()
        if patient not in self._own:
            first = next(iter(self.homes_of(patient)), None)
            self._own[patient] = self.clinic_of_patient(patient) or first or self._clinics.default
        return self._own[patient]

    def clinic_of_visit(self, visit: str | None) -> str | None:
        """The clinic of a visit, if it is known."""
        key = self.resolve(visit)
        row = self._known.execute("select places, patient from visit where key = ?", [key]).fetchone() if key else None
        return self.clinic_of_places(row[0].split("\n"), self.resolve(row[1]) or row[1]) if row else None

    def homes_of(self, patient: str) -> dict[str, str | None]:
        """The clinics that a patient visited, each with the day of the first visit, the earliest first."""
        rows = self._known.execute(
            "select places, min(day) as day from visit where patient = ?1"
            " or patient in (select name from alias where key = ?1) group by places order by day",
            [patient],
        ).fetchall()
        homes: dict[str, str | None] = {}
        for places, day in rows:
            slug = self.clinic_of_places(places.split("\n"), patient)
            if slug is not None:
                homes.setdefault(slug, day)
        return homes

    def plan_of(self, request: str | None) -> str | None:
        """The plan that a request is based on."""
        key = self.resolve(request)
        row = self._known.execute("select plan from request where key = ?", [key]).fetchone() if key else None
        return row[0] if row else None

    def is_restricted(self, visit: str | None) -> bool:
        """Whether a visit that was met is labelled so."""
        return self._known.execute("select 1 from restricted where key = ?", [visit]).fetchone() is not None

    def _home(self, patient: str) -> str | None:
        """The place that a patient's own resource names."""
        row = self._known.execute("select place from home where key = ?", [patient]).fetchone()
        return row[0] if row else None

    def _note_place(self, key: str, body: Body) -> None:
        own = [key, key.partition("/")[2], *(name.partition("?")[2] for name in identifiers(body)), body.get("name")]
        slug = next(
            (self._clinics.of[name] for name in own if isinstance(name, str) and name in self._clinics.of), None
        )
        above = [self.named(body.get("managingOrganization"), "Organization")]
        above += [self.named(body.get("partOf"), body["resourceType"])]
        part_of = "\n".join(filter(None, above))
        self._known.execute("insert or replace into place values (?, ?, ?)", [key, slug, part_of])

    def _note_visit(self, key: str, body: Body) -> None:
        patient = patient_of(body, self)
        if patient is None:
            return
        day = day_of(start_of(body.get("period")) or body.get("start"), self._zone)
        row = [key, patient, "\n".join(places_of(body, self)), day]
        self._known.execute("insert or replace into visit values (?, ?, ?, ?)", row)

    def _slug(self, place: str) -> str | None:
        if len(self._slugs) > MOST_PLACES:
            self._slugs.clear()
        if place not in self._slugs:
            self._slugs[place] = self._looked_up(place)
        return self._slugs[place]

    def _looked_up(self, place: str) -> str | None:
        """By what the mapping says of the reference itself, of the resource, or of what that is part of."""
        for name in (place, place.partition("/")[2], place.partition("?")[2]):
            if name in self._clinics.of:
                return self._clinics.of[name]
        waiting, met = [place], set[str]()
        while waiting:
            at = self.resolve(waiting.pop(0))
            if at is None or at in met:
                continue
            met.add(at)
            row = self._known.execute("select clinic, part_of from place where key = ?", [at]).fetchone()
            slug, part_of = row or (self._clinics.of.get(at), "")
            if slug:
                return str(slug)
            waiting = [*filter(None, part_of.split("\n")), *waiting]
        return None


def places_of(body: Body, index: Index) -> list[str]:
    """Where a visit took place, as references, the most telling first."""
    named = [index.named(body.get("serviceProvider"), "Organization")]
    named += [index.named(each.get("location"), "Location") for each in objects(body.get("location"))]
    named += [_actor(each, index, "Location") for each in objects(body.get("participant"))]
    return [place for place in named if place]


def patient_of(body: Body, index: Index) -> str | None:
    """Of which patient a resource is, as `Patient/id`, or as it names them where nobody of that name was met yet."""
    named = (index.means(body[name], "Patient") for name in ("subject", "patient", "beneficiary") if name in body)
    actors = (_actor(each, index, "Patient") for each in objects(body.get("participant")))
    return next((each for each in chain(named, actors) if each and each.startswith("Patient")), None)


def _actor(participant: Body, index: Index, kind: str) -> str | None:
    found = index.means(participant.get("actor"), kind)
    return found if found and found.startswith(kind) else None
