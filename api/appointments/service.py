"""What becomes of appointments, by explicit steps with a history; lists of them; the way into a video room."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from api.appointments import repository
from api.appointments import steps_repository as steps
from api.appointments.held import Change, Held, Whose
from api.appointments.schemas import (
    Changed,
    ClinicAppointment,
    ClinicAppointments,
    Correction,
    OwnAppointment,
    OwnAppointments,
    Reasoned,
    Rescheduling,
    VideoLink,
)
from api.bookings import calendar
from api.bookings.calendar import Entry
from api.bookings.times import check_offered, check_time
from api.directory import ClinicEntry
from api.forms import assigning_repository as forms
from api.gateway import Access, Caller, Work
from api.me.service import person_of
from api.messages import repository as messages
from api.messages.port import Message, MessageKind
from api.profiles.service import as_id
from api.services import Services
from api.video import Visitor
from infra.errors import InvalidInput, NotThere, Refused
from infra.settings import settings
from policies.access.model import Resource
from policies.appointments import TO, Status, Step, fault
from policies.words import Action, Role

ACTIONS = {
    Step.RESCHEDULE: Action.APPOINTMENT_CHANGE,
    Step.CANCEL: Action.APPOINTMENT_CHANGE,
    Step.ARRIVE: Action.APPOINTMENT_ATTEND,
    Step.COMPLETE: Action.APPOINTMENT_ATTEND,
    Step.NO_SHOW: Action.APPOINTMENT_ATTEND,
    Step.CORRECT: Action.APPOINTMENT_CORRECT,
}
# A room opens before the visit, and closes after it.
ROOM_OPENS, ROOM_CLOSES = timedelta(minutes=30), timedelta(minutes=30)


async def step(
    serving: Services, caller: Caller, clinic: str, appointment: str, taken: Step, asked: Reasoned
) -> Changed:
    """Take a step with an appointment of a clinic.

    Raises:
        NotThere: the caller may not, or no such appointment.
        InvalidInput: the new time is missing, over or too far ahead; a correction lacks status or reason.
        Refused: the appointment's status or time does not allow it; specialist or patient has something else then.
    """
    access = Access(ACTIONS[taken], Resource(clinic, patient=True))
    async with serving.gateway.work(caller, access) as work:
        held = await steps.find(work, as_id(appointment))
        if work.clinic is None:
            raise NotThere("no such clinic")
        return await take(serving, work, held, work.clinic, taken, asked, _role(caller, clinic))


async def own_step(
    serving: Services, caller: Caller, appointment: str, taken: Step, asked: Reasoned, dependent: str | None = None
) -> Changed:
    """Move or cancel one's own appointment, or a dependent's, before it begins.

    Raises:
        NotThere: no such appointment or dependent of the caller.
        InvalidInput, Refused: as for a clinic's staff.
    """
    access = Access(Action.OWN_APPOINTMENT_CHANGE, person_of(caller, dependent))
    async with serving.gateway.work(caller, access) as work:
        own = dependent is None
        held = await steps.find_own(work, as_id(appointment), as_id(dependent or ""), own=own)
        clinics = {entry.clinic_id: entry for entry in await serving.directory.clinics()}
        if held.clinic_id not in clinics:
            raise NotThere("no such clinic")
        role = Role.PATIENT if own else Role.GUARDIAN
        return await take(serving, work, held, clinics[held.clinic_id], taken, asked, role)


async def list_day(
    serving: Services, caller: Caller, clinic: str, day: date | None, limit: int, cursor: str | None
) -> ClinicAppointments:
    """A page of a day's appointments: all of them to staff, their own to specialists.

    Raises:
        NotThere: the caller is neither there; a foreign cursor.
    """
    resource = Resource(clinic)
    all_ = Access(Action.APPOINTMENT_LIST, resource)
    own = not serving.gateway.permits(caller.principal, all_)
    access = Access(Action.AGENDA_READ, resource) if own else all_
    async with serving.gateway.open(caller, access) as grant:
        if grant.clinic is None:
            raise NotThere("no such clinic")
        chosen = day or grant.clinic.today
        bound_to = ("appointments", grant.clinic.clinic_id, chosen, own, caller.principal.principal_id)
        after = serving.cursors.open_event(cursor, *bound_to) if cursor else None
        rows, more = await repository.of_day(grant, chosen, after, limit, own=own)
    return ClinicAppointments(
        appointments=[ClinicAppointment(**{**row, "patient": row["patient_id"]}) for row in rows],
        next=_next(serving, rows, bound_to) if more else None,
    )


async def list_own(
    serving: Services, caller: Caller, limit: int, cursor: str | None, dependent: str | None = None
) -> OwnAppointments:
    """A page of the caller's own appointments, or of a dependent's without what is confidential.

    Raises:
        NotThere: the caller is no patient; no such dependent, or not the caller's today; a foreign cursor.
    """
    bound_to = ("own appointments", dependent, caller.principal.principal_id)
    access = Access(Action.OWN_APPOINTMENT_READ, person_of(caller, dependent))
    try:
        before = serving.cursors.open_event(cursor, *bound_to) if cursor else None
    except NotThere:
        await serving.gateway.refuse(caller, access)
    grant = await serving.gateway.person(caller, access)
    rows = await repository.of_person(grant, as_id(dependent or ""), before, limit, own=dependent is None)
    return OwnAppointments(
        appointments=[OwnAppointment(**row) for row in rows[:limit]],
        next=_next(serving, rows[:limit], bound_to) if len(rows) > limit else None,
    )


async def join(serving: Services, caller: Caller, clinic: str, appointment: str) -> VideoLink:
    """The way into a visit's room for its specialist, who moderates.

    Raises:
        NotThere: no such appointment, or another specialist's.
        Refused: no video consultation, or not around its time.
    """
    grant = await serving.gateway.person(caller, Access(Action.VISIT_JOIN, Resource(clinic, patient=True)))
    return _link(serving, await repository.visit(grant, as_id(appointment)), Visitor(moderator=True))


async def join_own(serving: Services, caller: Caller, appointment: str, dependent: str | None = None) -> VideoLink:
    """The way into a visit's room for the patient, or for a guardian.

    Raises:
        NotThere: no such appointment or dependent of the caller.
        Refused: no video consultation, or not around its time.
    """
    grant = await serving.gateway.person(caller, Access(Action.OWN_VISIT_JOIN, person_of(caller, dependent)))
    own = dependent is None
    row = await repository.own_visit(grant, as_id(appointment), as_id(dependent or ""), own=own)
    return _link(serving, row, Visitor(moderator=False))


async def take(
    serving: Services, work: Work, held: Held, clinic: ClinicEntry, taken: Step, asked: Reasoned, role: Role
) -> Changed:
    """Take a step with an appointment that is held, and tell the patient where it is another one then.

    Raises:
        InvalidInput, Refused: as for a clinic's staff.
    """
    now, by_family = datetime.now(UTC), role in (Role.PATIENT, Role.GUARDIAN)
    today = now.astimezone(ZoneInfo(clinic.time_zone)).date()
    rule = fault(
        taken,
        Status(held.status),
        day=held.starts_on,
        starts_at=held.starts_at,
        now=now,
        today=today,
        by_family=by_family,
    )
    if rule:
        raise Refused("not now", place="appointment", rule=rule)
    change = _change(held, taken, asked, role)
    if by_family and taken is Step.RESCHEDULE and change.starts_at:
        check_offered(change.starts_at, clinic, held.hours, held.minutes)
    row = await steps.change(work, held, change)
    _have_forms_follow(work, held, change.status, today)
    if _is_told(held, change, now):
        await tell(serving, work, held, clinic, row)
    row.pop("version")
    return Changed(**row)


def _change(held: Held, taken: Step, asked: Reasoned, role: Role) -> Change:
    """What the appointment becomes.

    Raises:
        InvalidInput: something is missing, or the time is no good; names the place.
    """
    reason = asked.reason.value if asked.reason else None
    as_it_was = (held.starts_on, held.starts_at, held.ends_at, held.specialist)
    if isinstance(asked, Rescheduling):
        # The day is that of the begin.
        return Change(taken, role, reason, Status.BOOKED, None, *_moved(held, asked, role))
    if isinstance(asked, Correction):
        for name in ("status", "reason"):
            if getattr(asked, name) is None:
                raise InvalidInput("something is missing", place=f"body.{name}", rule="missing")
        if asked.status is None or asked.status == held.status:
            raise Refused("it is so already", place="body.status", rule="same")
        return Change(taken, role, reason, asked.status, *as_it_was)
    return Change(taken, role, reason, TO[taken], *as_it_was)


def _is_told(held: Held, change: Change, now: datetime) -> bool:
    """Whether the patient is told: of another time, a cancellation, and a correction that makes one to come or not."""
    if change.step is not Step.CORRECT:
        return change.step in (Step.RESCHEDULE, Step.CANCEL)
    return held.is_to_come(now) and Status.CANCELLED in (held.status, change.status)


def _have_forms_follow(work: Work, held: Held, status: Status, today: date) -> None:
    if status is Status.CANCELLED:
        forms.withdraw_later(work, held.patient_id, held.appointment_id)
    elif held.status == Status.CANCELLED:
        forms.bring_back_later(work, held.patient_id, held.appointment_id, today=today)


def _moved(held: Held, asked: Rescheduling, role: Role) -> tuple[datetime, datetime, str | None]:
    """Begin, end and specialist after a rescheduling; it takes as long as the service.

    Raises:
        InvalidInput: no time, or one that is no good, or a specialist who does not offer this; names the place.
        Refused: the service is closed, and it is not the clinic's people who move it.
    """
    if asked.starts_at is None:
        raise InvalidInput("a time is needed", place="body.starts_at", rule="missing")
    if held.is_open is False and role is not Role.CLINIC_STAFF:
        raise Refused("the service is closed", place="appointment", rule="closed")
    check_time(asked.starts_at, held.days_ahead)
    specialist = asked.specialist or held.specialist
    if not _offers(held, specialist, named=asked.specialist is not None):
        raise InvalidInput("the specialist does not offer this", place="body.specialist", rule="not_offered")
    return asked.starts_at, asked.starts_at + timedelta(minutes=held.minutes), specialist


def _offers(held: Held, specialist: str | None, *, named: bool) -> bool:
    """Whether a specialist offers the appointment's service; what an import brought may be of a service of no clinic's
    settings, or of nobody, and stays with whom it names.
    """
    if not named and (specialist is None or held.specialists is None):
        return True
    return specialist in (held.specialists or [])


async def tell(serving: Services, work: Work, held: Whose, clinic: ClinicEntry, row: dict[str, Any]) -> None:
    """Queue the message that the appointment is another one now, or none."""
    text = None
    if row["starts_at"] is not None and row["ends_at"] is not None:
        cancelled = row["status"] == Status.CANCELLED
        entry = Entry(held.appointment_id, row["starts_at"], row["ends_at"], row["version"], cancelled)
        text = calendar.text_of(entry, settings().issuer)
    message = Message(
        MessageKind.APPOINTMENT_CHANGED,
        held.person_id,
        clinic_id=clinic.clinic_id,
        link=calendar.LINK,
        calendar=text,
        confidential=held.confidential,
        about_id=held.appointment_id,
        patient_id=held.patient_id,
    )
    await messages.enqueue(work, serving.codec, message)


def _role(caller: Caller, clinic: str) -> Role:
    """In which role the clinic's side acts, as the history names it."""
    if caller.principal.key is not None:
        return Role.AUTOMATION_SYSTEM
    is_staff = (Role.CLINIC_STAFF, clinic) in caller.principal.roles
    return Role.CLINIC_STAFF if is_staff else Role.SPECIALIST


def _link(serving: Services, row: dict[str, Any], visitor: Visitor) -> VideoLink:
    if row["room"] is None:
        raise Refused("no video consultation", place="appointment", rule="no_video")
    if serving.video is None:
        raise Refused("no video server is set up", place="appointment", rule="no_video_server")
    if row["status"] not in (Status.BOOKED, Status.ARRIVED):
        raise Refused("the visit is over", place="appointment", rule=f"is_{row['status']}")
    begins, ends = row["starts_at"] - ROOM_OPENS, row["ends_at"] + ROOM_CLOSES
    if not begins <= datetime.now(UTC) < ends:
        raise Refused("the room is open around the time of the visit", place="appointment", rule="not_now")
    return VideoLink(link=serving.video.link(row["room"], visitor, begins, ends), expires_at=ends)


def _next(serving: Services, rows: list[dict[str, Any]], bound_to: tuple[object, ...]) -> str:
    last = rows[-1]
    return serving.cursors.seal_event({"occurred_at": last["position"], "event_id": UUID(str(last["id"]))}, *bound_to)
