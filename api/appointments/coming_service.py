"""What becomes of appointments to come that are marked as deleted, or whose registration is."""

from uuid import UUID

from api.appointments import coming_repository as repository
from api.appointments.schemas import Reasoned
from api.appointments.service import take, tell
from api.directory import ClinicEntry
from api.gateway import Work
from api.services import Services
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


async def tell_of_mark(serving: Services, work: Work, clinic: ClinicEntry, appointment: UUID, *, deleted: bool) -> None:
    """Tell the patient that an appointment to come is deleted, as if it were cancelled, or there again."""
    found = await repository.one(work, clinic.clinic_id, appointment)
    if found is not None:
        whose, told = found
        status = Status.CANCELLED if deleted else Status.BOOKED
        await tell(serving, work, whose, clinic, {**told, "status": status})
