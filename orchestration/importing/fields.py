"""Target fields of an import: per entity, their kinds, and which are required."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, get_args


class Kind(StrEnum):
    """How a field's text is read."""

    TEXT = "text"
    DATE = "date"  # YYYY-MM-DD, a time of day behind it is ignored
    INSTANT = "instant"  # ISO 8601; without an offset: the mapping's time zone
    INTEGER = "integer"
    NUMBER = "number"
    LIST = "list"  # separated by ';'


@dataclass(frozen=True)
class Field:
    """One target field; `choices` is the closed vocabulary, `low` and `high` the range."""

    kind: Kind = Kind.TEXT
    required: bool = False
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    longest: int = 500


@dataclass(frozen=True)
class Entity:
    """One kind of row; `at_least_one` are groups of which a row must fill one."""

    fields: dict[str, Field]
    at_least_one: tuple[tuple[str, ...], ...] = ()
    ordered: tuple[tuple[str, str], ...] = field(default=())


_ID = Field(required=True, longest=200)
_TEXT = Field()
_DATE = Field(Kind.DATE)
_INSTANT = Field(Kind.INSTANT)
# That guardians are not to see it.
_CONFIDENTIAL = Field(choices=("yes",))
BLOOD_TYPES = ("A+", "A-", "B+", "B-", "AB+", "AB-", "O+", "O-")
CONTACTS = ("phone", "email", "address", "policy_number", "emergency_contacts")

_CONTACT_FIELDS = {**dict.fromkeys(CONTACTS, _TEXT), "emergency_contacts": Field(longest=2000)}

ENTITIES: dict[str, Entity] = {
    "clinic": Entity(
        {
            "slug": Field(required=True, longest=40),
            "name": Field(required=True, longest=200),
            "time_zone": _TEXT,
            "country": _TEXT,
        }
    ),
    "patient": Entity(
        {
            "source_id": _ID,
            "external_id": Field(longest=200),
            "name": Field(required=True, longest=200),
            "registered_on": Field(Kind.DATE, required=True),
            "birth_date": _DATE,
            "estimated": Field(choices=("yes",)),
            "age": Field(Kind.INTEGER, low=0, high=130),
            "sex": Field(choices=("female", "male", "other", "unknown")),
            "blood_type": Field(choices=BLOOD_TYPES),
            "allergies": Field(Kind.LIST),
            "chronic_conditions": Field(Kind.LIST),
            "insurance_type": _TEXT,
            **_CONTACT_FIELDS,
            "guardian_id": Field(longest=200),
            "relationship": _TEXT,
            "asserted_on": _DATE,
            "asserted_by": Field(longest=40),
        }
    ),
    # Somebody who manages a patient, and need be no patient of the clinic.
    "guardian": Entity(
        {
            "source_id": _ID,
            "guardian_id": _ID,
            "name": Field(required=True, longest=200),
            "relationship": Field(required=True, longest=100),
            "until": _DATE,
            **_CONTACT_FIELDS,
        }
    ),
    # One thing that a source says of a profile, and until when it held.
    "fact": Entity(
        {
            "source_id": _ID,
            # Absent: the fact is known by what it says and since when.
            "record_id": Field(longest=200),
            "kind": Field(required=True, choices=("allergy", "condition", "insurance", "blood_type")),
            "value": Field(required=True, longest=200),
            "since": _DATE,
            "until": _DATE,
        }
    ),
    "consent": Entity(
        {
            "source_id": _ID,
            "purpose": Field(required=True, choices=("profile_sharing", "communications")),
            "kind": Field(required=True, choices=("signed", "revoked")),
            # Without these three an import grants nothing.
            "text_version": Field(required=True, longest=100),
            "signer_id": _ID,
            "occurred_at": Field(Kind.INSTANT, required=True),
            "expires_at": _INSTANT,
            "channel": _TEXT,
        },
        ordered=(("occurred_at", "expires_at"),),
    ),
    "appointment": Entity(
        {
            "source_id": _ID,
            "record_id": _ID,
            "service": _TEXT,
            "modality": Field(choices=("in_person", "video")),
            "specialist": _TEXT,
            "status": Field(required=True, choices=("booked", "arrived", "fulfilled", "cancelled", "noshow")),
            "confidential": _CONFIDENTIAL,
            "booked_on": _DATE,
            "booked_at": _INSTANT,
            "starts_on": _DATE,
            "starts_at": _INSTANT,
        },
        at_least_one=(("booked_on", "booked_at"), ("starts_on", "starts_at")),
        ordered=(("booked_on", "starts_on"), ("booked_at", "starts_at")),
    ),
    # A form as the clinic asks it: of no patient. As JSON, as the API takes one.
    "template": Entity(
        {
            "record_id": _ID,
            "template": Field(required=True, longest=100),
            "definition": Field(required=True, longest=200_000),
        }
    ),
    "form": Entity(
        {
            "source_id": _ID,
            "record_id": _ID,
            "template": Field(required=True, longest=100),
            "status": Field(required=True, choices=("pending", "in_progress", "completed", "expired")),
            "assigned_on": Field(Kind.DATE, required=True),
            "due_on": _DATE,
            "completed_at": _INSTANT,
            "confidential": _CONFIDENTIAL,
        }
    ),
    "answer": Entity(
        {
            "source_id": _ID,
            "record_id": _ID,
            "form_id": _ID,
            "template": Field(required=True, longest=100),
            "question": Field(required=True, longest=100),
            "answered_at": Field(Kind.INSTANT, required=True),
            "number": Field(Kind.NUMBER),
            "choice": _TEXT,
            "body": Field(longest=10_000),
            "day": _DATE,
        },
        at_least_one=(("number", "choice", "body", "day"),),
    ),
    "plan": Entity(
        {
            "source_id": _ID,
            "record_id": _ID,
            "title": Field(required=True),
            "specialist": _TEXT,
            "starts_on": Field(Kind.DATE, required=True),
            "ends_on": _DATE,
            "confidential": _CONFIDENTIAL,
        },
        ordered=(("starts_on", "ends_on"),),
    ),
    "adherence": Entity(
        {
            "source_id": _ID,
            "plan_id": _ID,
            "day": Field(Kind.DATE, required=True),
            "prescribed": Field(Kind.INTEGER, required=True, low=1, high=500),
            "done": Field(Kind.INTEGER, low=0, high=500),
            # What follows from the status of the request alone, where no record says what was done.
            "presumed": Field(Kind.INTEGER, low=0, high=500),
        },
        at_least_one=(("done", "presumed"),),
        ordered=(("done", "prescribed"), ("presumed", "prescribed")),
    ),
}
# What tells a row from all others of its source, where that has no id of its own: its patient's id would not.
IDENTIFYING: dict[str, tuple[str, ...]] = {
    "clinic": ("slug",),
    "patient": ("source_id",),
    "guardian": ("source_id", "guardian_id"),
    "fact": ("source_id", "kind", "value", "since"),
    "consent": ("source_id", "purpose", "kind", "occurred_at"),
    "adherence": ("plan_id", "day"),
}
EntityName = Literal[
    "clinic", "patient", "guardian", "fact", "consent", "appointment", "template", "form", "answer", "plan", "adherence"
]  # fmt: skip
# Rows of one entity may name rows of an earlier one.
LOADING_ORDER: tuple[EntityName, ...] = get_args(EntityName)
