"""One booking: person, account, registration, forms, appointment, room and confirmation, all of it or nothing."""

from datetime import UTC, datetime, timedelta

from api import sealing
from api.bookings import calendar, repository
from api.bookings.calendar import Entry
from api.bookings.orders import Contacts, Order, order
from api.bookings.repository import Plan, Registered
from api.bookings.schemas import Booked, Booking, ClinicServices, Service
from api.forms import repository as forms
from api.gateway import Access, Caller, Work
from api.me.service import person_of
from api.messages import repository as messages
from api.messages.port import Message, MessageKind
from api.profiles.service import as_id
from api.services import Services
from api.verifications import people_repository as people
from api.verifications import repository as verifications
from infra.errors import InvalidInput, NotThere, Refused
from infra.settings import settings
from policies.access.model import Resource
from policies.words import Action, Role

REGISTRATION = "registration"


async def book(serving: Services, caller: Caller, clinic: str, asked: Booking, key: str | None) -> Booked:
    """Book an appointment; the same key with the same booking again changes nothing and answers the same.

    Raises:
        NotThere: the caller may not, or no such clinic, patient or dependent.
        InvalidInput: something is missing, no good, in the past or too far ahead; or the key was another booking's.
        Refused: the service is closed, or specialist or patient has something else then; names the field.
    """
    at_clinic = Access(Action.APPOINTMENT_BOOK, Resource(clinic))
    if asked.patient is None and (asked.dependent or not serving.gateway.permits(caller.principal, at_clinic)):
        return await _book_own(serving, caller, clinic, asked, key)
    async with serving.gateway.work(caller, at_clinic) as work:
        if work.clinic is None:
            raise NotThere("no such clinic")
        wanted = order(serving.digests, caller.principal, work.clinic, asked, key, own=False)
        sealing.hold(work, verifications.PURPOSES)
        plan = await repository.claim(work, wanted)
        if plan.is_first:
            _check(wanted, plan)
            patient = await _patient(serving, work, wanted, plan)
            role = Role.CLINIC_STAFF if caller.principal.key is None else Role.AUTOMATION_SYSTEM
            await _arrange(serving, work, wanted, plan, patient, role)
            booked = Booked(id=wanted.appointment_id, patient=patient.patient_id)
        else:
            booked = await _again(work, wanted)
        await work.record(*([booked.patient] if booked.patient else []))
    return booked


async def _book_own(serving: Services, caller: Caller, clinic: str, asked: Booking, key: str | None) -> Booked:
    """A booking in the caller's own sign-in, for themself or a dependent: a known person, so nothing to verify."""
    entry, own = await serving.directory.find(clinic), asked.dependent is None
    access = Access(Action.OWN_APPOINTMENT_BOOK, person_of(caller, asked.dependent))
    async with serving.gateway.work(caller, access) as work:
        dependent = as_id(asked.dependent or "")
        person = await repository.find(work, entry.clinic_id if entry else None, dependent, own=own)
        if entry is None:
            raise NotThere("no such clinic")
        wanted = order(serving.digests, caller.principal, entry, asked, key, own=True)
        sealing.hold(work, [messages.PURPOSE])
        plan = await repository.claim(work, wanted)
        if not plan.is_first:
            return (await _again(work, wanted)).model_copy(update={"patient": None})
        _check(wanted, plan)
        patient = await repository.register_person(work, wanted, person)
        await _arrange(serving, work, wanted, plan, patient, Role.PATIENT if own else Role.GUARDIAN)
    return Booked(id=wanted.appointment_id, patient=None)


async def list_services(serving: Services, caller: Caller, clinic: str) -> ClinicServices:
    """What a clinic offers.

    Raises:
        NotThere: no such clinic, or none of the caller's.
    """
    async with serving.gateway.open(caller, Access(Action.SERVICE_LIST, Resource(clinic))) as grant:
        rows = await repository.services(grant)
    return ClinicServices(services=[Service(**row) for row in rows])


def _check(wanted: Order, plan: Plan) -> None:
    """Whether the clinic offers what is wanted, then."""
    if plan.minutes is None:
        raise InvalidInput("no such service", place="body.service", rule="unknown")
    if not plan.is_open:
        raise Refused("the service is closed", place="body.service", rule="closed")
    if not plan.is_offered:
        raise InvalidInput("the specialist does not offer this", place="body.specialist", rule="not_offered")
    check_time(wanted.starts_at, plan.days_ahead)


def check_time(starts_at: datetime, days_ahead: int) -> None:
    """Whether an appointment may begin then.

    Raises:
        InvalidInput: it is over, or too far ahead.
    """
    now = datetime.now(UTC)
    if starts_at <= now:
        raise InvalidInput("this time is over", place="body.starts_at", rule="past")
    if starts_at > now + timedelta(days=days_ahead):
        raise InvalidInput("too far ahead", place="body.starts_at", rule="too_far_ahead")


async def _patient(serving: Services, work: Work, wanted: Order, plan: Plan) -> Registered:
    """The patient whom the clinic books for: known by an id, otherwise always somebody new."""
    known = wanted.known_patient is not None or (wanted.source_id is not None and not plan.is_new)
    if known:
        return await repository.registered(work, wanted)
    if wanted.new is None:
        raise InvalidInput("a name is needed", place="body.patient.name", rule="missing")
    return await _newcomer(serving, work, wanted, wanted.new)


async def _newcomer(serving: Services, work: Work, wanted: Order, new: Contacts) -> Registered:
    """Somebody new, and a code on the way to them."""
    channel, contact = ("email", new.email) if new.email else ("phone", new.phone or "")
    clinic, person = wanted.clinic.clinic_id, wanted.new_person
    await people.register_newcomer(
        work, serving.codec, person, new.name, {"email": new.email, "phone": new.phone},
        clinic=clinic, patient=wanted.new_patient, today=wanted.today,
    )  # fmt: skip
    await verifications.start(
        work, serving.codec, person_id=person, clinic_id=clinic, channel=channel, contact=contact
    )  # fmt: skip
    return Registered(wanted.new_patient, person, fresh=True)


async def _arrange(serving: Services, work: Work, wanted: Order, plan: Plan, patient: Registered, role: Role) -> None:
    """Forms, appointment, room and confirmation."""
    ends_at = wanted.starts_at + timedelta(minutes=plan.minutes or 0)
    await repository.appoint(work, wanted, plan, patient.patient_id, ends_at, role)
    occasions = {REGISTRATION: plan.registration_templates if patient.fresh else []}
    occasions[str(wanted.appointment_id)] = plan.templates or []
    forms.assign_later(work, patient.patient_id, occasions, today=wanted.today)
    entry = Entry(wanted.appointment_id, wanted.starts_at, ends_at)
    # Only of somebody new: an address that came with a patient's id is nobody's yet.
    is_new = patient.patient_id == wanted.new_patient
    address = wanted.new.email if is_new and wanted.new else None
    await messages.enqueue(
        work,
        serving.codec,
        Message(
            MessageKind.BOOKING_CONFIRMED,
            patient.person_id,
            clinic_id=wanted.clinic.clinic_id,
            link=calendar.LINK,
            calendar=calendar.text_of(entry, settings().issuer),
            address=address,
            about_id=wanted.appointment_id,
            patient_id=patient.patient_id,
        ),
    )


async def _again(work: Work, wanted: Order) -> Booked:
    """The answer that the first of this key got.

    Raises:
        InvalidInput: it asked for something else.
    """
    row = await repository.done(work, wanted)
    if row["request_digest"] != wanted.request_digest:
        raise InvalidInput("the key was another booking's", place="header.idempotency-key", rule="reused")
    return Booked(id=row["appointment_id"], patient=row["patient_id"])
