"""What becomes of appointments to come that are marked as deleted, or whose registration is."""

from uuid import UUID

from api.appointments import coming_repository as repository
from api.appointments.schemas import Reasoned
from api.appointments.service import take, tell
from api.appointments.steps_repository import Whose, free, hold
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


async def follow_mark(serving: Services, work: Work, clinic: ClinicEntry, appointment: UUID, *, deleted: bool) -> None:
    """Tell the patient that an appointment to come is deleted, as if it were cancelled, or there again; with its forms.

    Raises:
        Refused: it is not to be there again, since specialist or patient has another then.
    """
    found = await repository.one(work, clinic.clinic_id, appointment)
    if found is None:
        return
    whose, told = found
    if deleted:
        forms.withdraw_later(work, whose.patient_id, appointment)
    else:
        await _check_free(work, whose)
        forms.bring_back_later(work, whose.patient_id, appointment)
    status = Status.CANCELLED if deleted else Status.BOOKED
    await tell(serving, work, whose, clinic, {**told, "status": status})


async def _check_free(work: Work, whose: Whose) -> None:
    place = {"clinic_id": whose.clinic_id, "appointment_id": whose.appointment_id, "person_id": whose.person_id}
    held = await hold(work, place)
    found = await free(work, held, held.specialist, held.starts_at, held.ends_at)
    if found["specialist_taken"] or (found["patient_taken"] and not held.confidential):
        raise Refused("another is in its place", place="path.record", rule="double_booked")
