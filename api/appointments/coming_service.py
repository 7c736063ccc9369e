"""What becomes of appointments to come that are marked as deleted, or whose registration is."""

from uuid import UUID

from api.appointments import coming_repository as repository
from api.appointments.schemas import Reasoned
from api.appointments.service import take, tell
from api.appointments.steps_repository import check_again, hold
from api.directory import ClinicEntry
from api.forms import assigning_repository as forms
from api.gateway import Work
from api.services import Services
from infra.errors import Refused
from policies.appointments import Reason, Status, Step
from policies.words import DeletionReason, Role

_WHY = {
    DeletionReason.ASKED: Reason.PATIENT_ASKED,
    DeletionReason.MISTAKE: Reason.ENTERED_WRONGLY,
    DeletionReason.DUPLICATE: Reason.ENTERED_WRONGLY,
}


async def cancel_all(serving: Services, work: Work, clinic: ClinicEntry, patient: UUID, why: DeletionReason) -> None:
    """Cancel whatever a patient whose registration was just marked still has to come, each like by a step of staff."""
    asked = Reasoned(reason=_WHY.get(why, Reason.OTHER))
    for held in await repository.of_patient(work, clinic.clinic_id, patient):
        await take(serving, work, held, clinic, Step.CANCEL, asked, Role.CLINIC_STAFF)


async def follow_deletion(serving: Services, work: Work, clinic: ClinicEntry, patient: UUID, appointment: UUID) -> None:
    """An appointment is deleted: its forms go with it, and of one to come the patient is told, as of a cancellation."""
    forms.withdraw_later(work, patient, appointment, forms.DELETED)
    await _tell(serving, work, clinic, appointment, Status.CANCELLED)


async def follow_undo(serving: Services, work: Work, clinic: ClinicEntry, patient: UUID, appointment: UUID) -> None:
    """An appointment is there again, with its forms; of one to come the patient is told.

    Raises:
        Refused: it is not to be there again, since specialist or patient has another then.
    """
    held = await hold(work, {"clinic_id": clinic.clinic_id, "appointment_id": appointment})
    refused = Refused("another is in its place", place="path.record", rule="double_booked")
    await check_again(work, held, refused, specialist=held.specialist)
    forms.bring_back_later(work, patient, appointment, forms.DELETED, today=clinic.today)
    await _tell(serving, work, clinic, appointment, Status.BOOKED)


async def _tell(serving: Services, work: Work, clinic: ClinicEntry, appointment: UUID, status: Status) -> None:
    found = await repository.one(work, clinic.clinic_id, appointment)
    if found is not None:
        whose, told = found
        await tell(serving, work, whose, clinic, {**told, "status": status})
