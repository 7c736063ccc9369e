"""Who hides what from guardians."""

from pydantic import ConfigDict

from api.confidential import repository
from api.confidential.repository import Kind
from api.gateway import Access, Caller
from api.me.service import person_of
from api.profiles.service import as_id
from api.services import Services
from policies.access.model import Resource
from policies.words import Action
from policies.written import Written

KINDS: dict[str, Kind] = {
    "forms": repository.FORM,
    "appointments": repository.APPOINTMENT,
    "plans": repository.PLAN,
}


class Marking(Written):
    """Whether guardians are not to see it; without a body they are not."""

    model_config = ConfigDict(extra="forbid")

    confidential: bool = True


async def mark_patients(
    serving: Services, caller: Caller, clinic: str, kind: str, item: str, asked: Marking | None
) -> None:
    """Hide an item of a patient whom the caller treats from the patient's guardians, or show it again.

    Raises:
        NotThere: no such item, or not of a patient of the caller's.
    """
    access = Access(Action.RECORD_HIDE, Resource(clinic, patient=True), frozenset({"patient_id", "records"}))
    async with serving.gateway.work(caller, access) as work:
        await repository.mark_patients(work, KINDS[kind], as_id(item), (asked or Marking()).confidential)


async def mark_own(serving: Services, caller: Caller, kind: str, item: str, asked: Marking | None) -> None:
    """Hide an item of the caller's own from their guardians, or show it again.

    Raises:
        NotThere: no such item of the caller's.
    """
    access = Access(Action.OWN_RECORD_HIDE, person_of(caller, None), frozenset({"records"}))
    async with serving.gateway.work(caller, access) as work:
        await repository.mark_own(work, KINDS[kind], as_id(item), (asked or Marking()).confidential)
