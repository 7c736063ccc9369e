"""Rows that resources become, and what every conversion needs to make them."""

from dataclasses import dataclass
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from orchestration.importing.fhir.index import Index, patient_of
from orchestration.importing.fhir.mapping import FhirMapping
from orchestration.importing.fhir.values import Body, day_of, instant_of


class Unfit(Exception):
    """A resource that cannot be a row: `place: reason`, without any of its values."""


class Left(Exception):
    """A resource that is left out on purpose; says what such ones are."""


class NotYet(Exception):
    """A resource that names one which has not come yet; `otherwise` says what it is if that never comes."""

    def __init__(self, otherwise: Unfit | Left) -> None:
        super().__init__(str(otherwise))
        self.otherwise = otherwise


class Note(NamedTuple):
    """A part of a resource that could not be taken: the resource goes to quarantine too, for whoever mends it."""

    reason: str


class Row(NamedTuple):
    """Fields of entities of one clinic, as text."""

    entities: tuple[str, ...]
    clinic: str
    fields: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Source:
    """What the files and the mapping say beside the resource itself; `countries` maps slugs to ISO 3166 codes."""

    mapping: FhirMapping
    index: Index
    zone: ZoneInfo
    countries: dict[str, str]
    today: str

    def day(self, found: Any) -> str | None:
        """The day of a date or dateTime, in the source's time zone."""
        return day_of(found, self.zone)

    def instant(self, found: Any) -> str | None:
        """A dateTime as an instant."""
        return instant_of(found)


def required(body: Body) -> str:
    """The resource's id.

    Raises:
        Unfit: it has none.
    """
    found = body.get("id")
    if not isinstance(found, str) or not found:
        raise Unfit("id: is missing")
    return found


def patient_named(body: Body, source: Source) -> str:
    """`Patient/id` of whom a resource is of.

    Raises:
        Unfit: it names no patient.
        NotYet: it names one whom nobody met yet.
    """
    named = patient_of(body, source.index)
    key = source.index.resolve(named)
    if key is None:
        nobody = Unfit("subject: names no patient")
        raise nobody if named is None else NotYet(nobody)
    return key


def clinic_and_patient(body: Body, source: Source, place: Any = None) -> tuple[str, str]:
    """The clinic that a resource belongs to, and the source's id of its patient.

    The clinic is `place`, if that is given; else that of its visit; else the one that the patient's own resource names;
    else the one that they visited first; else the default.

    Raises:
        Unfit: it names no patient, a visit or place that is unknown, or nothing says which clinic.
        NotYet: it names a patient whom nobody met yet.
    """
    index, key = source.index, patient_named(body, source)
    if place is not None:
        slug = index.clinic_named(index.means(place, "Organization"))
        if slug is None:
            raise Unfit("organization: is no clinic of the mapping")
        return slug, key.partition("/")[2]
    slug = None
    if source.mapping.clinics.of:
        visit = index.means(body.get("encounter"), "Encounter")
        slug = index.clinic_of_visit(visit)
        if slug is None and visit is not None:
            raise Unfit("encounter: is unknown, or at no clinic of the mapping")
    slug = slug or index.clinic_for(key)
    if slug is None:
        raise Unfit("clinic: is named nowhere")
    return slug, key.partition("/")[2]
