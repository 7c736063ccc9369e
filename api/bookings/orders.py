"""A booking as it is asked for, checked by itself: before anything of the database is looked at."""

import secrets
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

from api.bookings.schemas import BookedPatient, Booking, Verification
from api.directory import ClinicEntry
from api.idempotency import RequestDigests, checked
from api.identity.principals import Principal
from infra.encryption.contacts import canonical
from infra.errors import InvalidInput, Refused
from policies.text import fault_of_name

ROOM_BYTES = 32


@dataclass(frozen=True)
class Contacts:
    """Who somebody new is, and how to reach their account."""

    name: str
    email: str | None
    phone: str | None


@dataclass(frozen=True)
class Order:
    """One booking: its terms, who is meant, and the ids that it takes if it is the first of its key."""

    clinic: ClinicEntry
    service: str
    specialist: str
    starts_at: datetime
    key_digest: str
    request_digest: str
    source: str = ""
    source_id: str | None = None
    known_patient: UUID | None = None
    new: Contacts | None = None
    appointment_id: UUID = field(default_factory=uuid4)
    new_patient: UUID = field(default_factory=uuid4)
    new_person: UUID = field(default_factory=uuid4)
    room: str = field(default_factory=lambda: secrets.token_urlsafe(ROOM_BYTES))

    @property
    def verification(self) -> Verification:
        """What the caller is told of it: by this order alone, as anything else would tell who is known."""
        if self.new is None:
            return Verification.NOT_NEEDED
        return Verification.SENT if self.new.email else Verification.NOTHING_TO_SEND_TO


def order(
    digests: RequestDigests, principal: Principal, clinic: ClinicEntry, asked: Booking, key: str | None, *, own: bool
) -> Order:
    """What is asked for, checked.

    Raises:
        InvalidInput: no good key, or something is missing or no good; names the place.
    """
    key = checked(key)
    if asked.starts_at is None:
        raise _missing("starts_at")
    terms = {"service": asked.service or None, "specialist": asked.specialist or None}
    for name, value in terms.items():
        if value is None:
            raise _missing(name)
    if asked.dependent is not None and not own:
        raise InvalidInput("a clinic names its patient", place="body.dependent", rule="not_alone")
    patient = None if own else (asked.patient or BookedPatient())
    starts_at = asked.starts_at.astimezone(UTC)
    content = asked.model_copy(update={"starts_at": starts_at}).model_dump_json()
    return Order(
        clinic=clinic,
        service=asked.service,
        specialist=asked.specialist,
        starts_at=starts_at,
        key_digest=digests.of("key", key),
        request_digest=digests.of("request", content),
        source=str(principal.principal_id) if principal.key else "staff",
        source_id=patient.source_id if patient else None,
        known_patient=patient.id if patient else None,
        new=_contacts(patient) if patient else None,
    )


def specialist_taken() -> Refused:
    """What a booking is told where the specialist has something else."""
    return Refused("the specialist is not free", place="body.specialist", rule="double_booked")


def patient_taken() -> Refused:
    """What a booking is told where the patient has something else."""
    return Refused("the patient is not free", place="body.starts_at", rule="double_booked")


def _contacts(patient: BookedPatient) -> Contacts | None:
    """Who somebody new is; None where an id says who is meant.

    Raises:
        InvalidInput: an id and more; or neither an id nor a name and a contact.
    """
    given = patient.name.strip() or patient.email or patient.phone
    if patient.id is not None:
        if given or patient.source_id:
            raise InvalidInput("an id goes with nothing else", place="body.patient.id", rule="not_alone")
        return None
    if patient.source_id and not given:
        return None
    name = unicodedata.normalize("NFC", patient.name.strip())
    if not name or fault_of_name(name):
        raise InvalidInput("no name", place="body.patient.name", rule="not_valid" if name else "missing")
    if not patient.email and not patient.phone:
        raise _missing("patient.email")
    return Contacts(name, _contact("email", patient), _contact("phone", patient))


def _contact(kind: str, patient: BookedPatient) -> str | None:
    value = getattr(patient, kind)
    try:
        return canonical(kind, value, patient.country) if value else None
    except InvalidInput:
        raise InvalidInput(f"no {kind}", place=f"body.patient.{kind}") from None


def _missing(name: str) -> InvalidInput:
    return InvalidInput("something is missing", place=f"body.{name}", rule="missing")
