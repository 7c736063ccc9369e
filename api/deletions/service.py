"""Who marks a clinic's records as deleted, and who brings them back."""

from uuid import UUID

from api.appointments import coming_repository
from api.appointments.coming_service import cancel_all, follow_deletion, follow_undo
from api.bodies import given
from api.deletions import repository
from api.deletions.schemas import Deleting, Marked, RecordKind
from api.directory import ClinicEntry
from api.gateway import Access, Caller, Work
from api.profiles.service import as_id
from api.services import Services
from infra.errors import NotThere
from policies.access.model import Resource
from policies.words import Action


async def delete(
    serving: Services, caller: Caller, clinic: str, kind: str, record: str, asked: Deleting | None
) -> Marked:
    """Mark a record of a clinic as deleted; with a registration, what it has still to come is cancelled.

    Raises:
        NotThere: no such record, or not the caller's to delete.
        InvalidInput: nothing was sent.
    """
    async with serving.gateway.work(caller, Access(Action.RECORD_DELETE, Resource(clinic))) as work:
        of, which, at = _meant(work, kind, record)
        reason = given(asked).reason
        if of is RecordKind.REGISTRATION:
            await coming_repository.hold_days(work, at.clinic_id)
        patient = await repository.mark(work, at.clinic_id, of, which, reason)
        if of is RecordKind.REGISTRATION:
            await cancel_all(serving, work, at, which, reason)
        elif of is RecordKind.APPOINTMENT:
            await follow_deletion(serving, work, at, patient, which)
    return Marked(kind=of, id=which, deleted=True)


async def restore(serving: Services, caller: Caller, clinic: str, kind: str, record: str) -> Marked:
    """Take the mark of a deleted record away.

    Raises:
        NotThere: no such deleted record, or not the caller's to restore.
        Refused: another is in its place.
    """
    async with serving.gateway.work(caller, Access(Action.RECORD_RESTORE, Resource(clinic))) as work:
        of, which, at = _meant(work, kind, record)
        if of is RecordKind.APPOINTMENT:
            await coming_repository.hold_days(work, at.clinic_id)
        patient = await repository.unmark(work, at.clinic_id, of, which)
        if of is RecordKind.APPOINTMENT:
            await follow_undo(serving, work, at, patient, which)
    return Marked(kind=of, id=which, deleted=False)


def _meant(work: Work, kind: str, record: str) -> tuple[RecordKind, UUID, ClinicEntry]:
    found = as_id(record)
    if work.clinic is None or found is None or kind not in set(RecordKind):
        raise NotThere("no such thing")
    return RecordKind(kind), found, work.clinic
