"""One booking: person, account, registration, forms, appointment, room and confirmation, all of it or nothing."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from api import sealing
from api.bookings import calendar, repository
from api.bookings import offers_repository as offers
from api.bookings.calendar import Entry
from api.bookings.orders import Contacts, Order, order, specialist_taken
from api.bookings.repository import Plan, Registered
from api.bookings.schemas import Booked, Booking, ClinicServices, Service
from api.bookings.times import check_offered, check_time
from api.forms import assigning_repository as forms
from api.gateway import Access, Caller, Work
from api.idempotency import reused
from api.identity import booking_pages
from api.limits import NoMoreCodes
from api.me.service import person_of
from api.messages import repository as messages
from api.messages.port import Message, MessageKind
from api.messages.queueing import PURPOSE as MESSAGES
from api.profiles.service import as_id
from api.services import Services
from api.verifications import people_repository as people
from api.verifications import repository as verifications
from api.verifications.booked_again_repository import send_code_again
from infra.errors import InvalidInput, NotThere, Refused
from infra.settings import settings
from policies.access.model import Resource
from policies.opening_hours import USUAL, free
from policies.words import Action, Role

# Confirmations to one address that nobody has proven, in a day, of all clinics; the booking goes on without.
MOST_CONFIRMED = 3
TOO_MANY = "too_many"
# Times of a clinic that its page holds at once for whom nobody has proven, whoever asks from wherever: so much of its
# calendar at most, and so many messages to strangers in the time that it holds them.
MOST_HELD = 100
# When an address may get codes again, at the latest, unless it had as many as may be in a day.
CODES_AGAIN_SECONDS = 3600
# Of free times, as many days are looked at together.
DAYS_OF_TIMES = 7


async def book(serving: Services, caller: Caller, clinic: str, asked: Booking, key: str | None) -> Booked:
    """Book an appointment; the same key with the same booking again changes nothing and answers the same.

    Raises:
        NotThere: the caller may not, or no such clinic, patient or dependent.
        InvalidInput: something is missing, no good, in the past or too far ahead; or the key was another booking's.
        Refused: the service is closed, or not offered then to who books for themself or a dependent, or specialist or
            patient has something else then; names the field.
        NoMoreCodes: on the clinic's page, if it holds as many times as may be, or the address had as many codes.
    """
    at_clinic = Access(Action.APPOINTMENT_BOOK, Resource(clinic))
    # Who works at the clinic and is a patient somewhere names no patient for themself.
    if asked.patient is None and (
        asked.dependent or caller.principal.person_id or not serving.gateway.permits(caller.principal, at_clinic)
    ):
        return await _book_own(serving, caller, clinic, asked, key)
    async with serving.gateway.work(caller, at_clinic) as work:
        if work.clinic is None:
            raise NotThere("no such clinic")
        wanted = order(serving.digests, caller.principal, work.clinic, asked, key, own=False)
        # Whoever it turns out to be that was meant, somebody new is nobody else.
        await work.serve(wanted.new_person)
        sealing.hold(work, verifications.PURPOSES)
        plan = await repository.claim(work, wanted)
        if plan.is_first:
            _check(wanted, plan, by_hours=booking_pages.is_page(caller.principal))
            patient = await _patient(serving, work, wanted, plan)
            role = Role.CLINIC_STAFF if caller.principal.key is None else Role.AUTOMATION_SYSTEM
            ends_at = await _arrange(work, wanted, plan, patient, role)
            told = await _told(serving, work, wanted, patient)
            await _confirm(serving, work, wanted, patient, ends_at, told=told)
            booked = _booked(wanted, wanted.appointment_id, patient.patient_id)
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
        sealing.hold(work, [MESSAGES])
        plan = await repository.claim(work, wanted)
        if not plan.is_first:
            return (await _again(work, wanted)).model_copy(update={"patient": None})
        _check(wanted, plan, by_hours=True)
        patient = await repository.register_person(work, wanted, person, _ends_at(wanted, plan))
        ends_at = await _arrange(work, wanted, plan, patient, Role.PATIENT if own else Role.GUARDIAN)
        await _confirm(serving, work, wanted, patient, ends_at, told=True)
    return _booked(wanted, wanted.appointment_id, None)


async def list_services(serving: Services, caller: Caller, clinic: str) -> ClinicServices:
    """What a clinic offers.

    Raises:
        NotThere: no such clinic, or none of the caller's.
    """
    async with serving.gateway.open(caller, Access(Action.SERVICE_LIST, Resource(clinic))) as grant:
        rows = await offers.services(grant)
    return ClinicServices(services=[Service(**row) for row in rows])


async def free_times(
    serving: Services, caller: Caller, clinic: str, service: str, specialist: str, first: date
) -> list[datetime]:
    """When a specialist has time for a service, on the clinic's own days from one on; never who has the others.

    Raises:
        NotThere: no such clinic, or none of the caller's.
    """
    last = first + timedelta(days=DAYS_OF_TIMES - 1)
    async with serving.gateway.open(caller, Access(Action.SERVICE_LIST, Resource(clinic))) as grant:
        found = await offers.times(grant, service, specialist, first, last)
        zone = grant.clinic.time_zone if grant.clinic else "UTC"
    if found is None:
        return []
    now = datetime.now(UTC)
    until = now + timedelta(days=found["days_ahead"])
    hours = USUAL if found["hours"] is None else found["hours"]
    days = [first + timedelta(days=n) for n in range(DAYS_OF_TIMES)]
    times = [free(hours, day, zone, found["minutes"], found["taken"], after=now) for day in days]
    return [at for day in times for at in day if at <= until]


def _check(wanted: Order, plan: Plan, *, by_hours: bool) -> None:
    """Whether the clinic offers what is wanted, then, and no imported appointment is in its way.

    `by_hours`: by whom a clinic's hours are kept. They do not bind its own people and systems.
    """
    if plan.minutes is None:
        raise InvalidInput("no such service", place="body.service", rule="unknown")
    if not plan.is_open:
        raise Refused("the service is closed", place="body.service", rule="closed")
    if not plan.is_offered:
        raise InvalidInput("the specialist does not offer this", place="body.specialist", rule="not_offered")
    check_time(wanted.starts_at, plan.days_ahead)
    if by_hours:
        check_offered(wanted.starts_at, wanted.clinic, plan.hours, plan.minutes)
    if plan.is_taken:
        raise specialist_taken()


async def _patient(serving: Services, work: Work, wanted: Order, plan: Plan) -> Registered:
    """The patient whom the clinic books for: known by an id, otherwise always somebody new."""
    known = wanted.known_patient is not None or (wanted.source_id is not None and not plan.is_new)
    if known:
        return await repository.registered(work, wanted, _ends_at(wanted, plan))
    if wanted.new is None:
        raise InvalidInput("a name is needed", place="body.patient.name", rule="missing")
    return await _newcomer(serving, work, wanted, wanted.new)


async def _newcomer(serving: Services, work: Work, wanted: Order, new: Contacts) -> Registered:
    """Somebody new.

    Raises:
        NoMoreCodes: on the clinic's page, if it holds as many times as may be.
    """
    clinic, person = wanted.clinic.clinic_id, wanted.new_person
    if booking_pages.is_page(work.caller.principal) and await repository.held(work, clinic) >= MOST_HELD:
        raise NoMoreCodes(CODES_AGAIN_SECONDS)
    await people.register_newcomer(
        work, serving.codec, person, new.name, {"email": new.email, "phone": new.phone},
        clinic=clinic, patient=wanted.new_patient, today=wanted.clinic.today,
    )  # fmt: skip
    # Only of somebody new: an address that came with a patient's id is nobody's yet.
    return Registered(wanted.new_patient, person, fresh=True, address=new.email)


async def _arrange(work: Work, wanted: Order, plan: Plan, patient: Registered, role: Role) -> datetime:
    """Forms, appointment and room, which the database makes while the work goes on; when the appointment ends."""
    ends_at = _ends_at(wanted, plan)
    hold = patient.patient_id == wanted.new_patient and booking_pages.is_page(work.caller.principal)
    repository.appoint_later(work, wanted, plan, patient.patient_id, ends_at, role, hold=hold)
    again = f" {wanted.appointment_id}" if patient.came_back else ""
    occasions = {forms.REGISTRATION + again: plan.registration_templates if patient.fresh else []}
    occasions[str(wanted.appointment_id)] = plan.templates or []
    forms.assign_later(work, patient.patient_id, occasions, today=wanted.clinic.today)
    await work.send()
    return ends_at


def _ends_at(wanted: Order, plan: Plan) -> datetime:
    return wanted.starts_at + timedelta(minutes=plan.minutes or 0)


async def _told(serving: Services, work: Work, wanted: Order, patient: Registered) -> bool:
    """Whether a patient is told of the booking; who has proven no contact gets a code, which is on its way then.

    Raises:
        NoMoreCodes: on the clinic's page, if none can be sent to prove the booking in time.
    """
    new, clinic = wanted.new, wanted.clinic.clinic_id
    if new is None or patient.person_id != wanted.new_person:
        email = new.email if new else None
        await send_code_again(work, serving.codec, person=patient.person_id, clinic=clinic, email=email)
        return True
    channel, contact = ("email", new.email) if new.email else ("phone", new.phone or "")
    started = await verifications.start(
        work,
        serving.codec,
        person_id=patient.person_id,
        clinic_id=clinic,
        channel=channel,
        contact=contact,
    )
    if booking_pages.is_page(work.caller.principal) and not started.sent:
        raise NoMoreCodes(CODES_AGAIN_SECONDS)
    return started.booked_before < MOST_CONFIRMED


async def _confirm(
    serving: Services, work: Work, wanted: Order, patient: Registered, ends_at: datetime, *, told: bool
) -> None:
    """The confirmation with its calendar, or the note that none was sent."""
    entry = Entry(wanted.appointment_id, wanted.starts_at, ends_at)
    confirmation = Message(
        MessageKind.BOOKING_CONFIRMED,
        patient.person_id,
        clinic_id=wanted.clinic.clinic_id,
        link=calendar.LINK,
        calendar=calendar.text_of(entry, settings().issuer),
        address=patient.address,
        about_id=wanted.appointment_id,
        patient_id=patient.patient_id,
    )
    if told:
        await messages.enqueue(work, serving.codec, confirmation)
    else:
        messages.withhold(work, confirmation, TOO_MANY)


async def _again(work: Work, wanted: Order) -> Booked:
    """The answer that the first of this key got.

    Raises:
        InvalidInput: it asked for something else.
    """
    row = await repository.done(work, wanted)
    if row["request_digest"] != wanted.request_digest:
        raise reused()
    return _booked(wanted, row["appointment_id"], row["patient_id"])


def _booked(wanted: Order, appointment: UUID, patient: UUID | None) -> Booked:
    return Booked(id=appointment, patient=patient, verification=wanted.verification)
