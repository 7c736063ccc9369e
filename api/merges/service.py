"""What a clinic's staff does about doubtful registrations."""

from api.gateway import Access, Caller
from api.merges import repository
from api.merges.schemas import Decided, Deciding, MergeCases, MergeDecision, of_rows
from api.profiles.service import as_id
from api.services import Services
from infra.errors import InvalidInput
from policies.access.model import Resource
from policies.words import Action


async def cases(serving: Services, caller: Caller, clinic: str) -> MergeCases:
    """The open cases of a clinic.

    Raises:
        NotThere: the caller does not keep the register of this clinic.
    """
    access = Access(Action.MERGE_LIST, Resource(clinic=clinic), frozenset({"name"}))
    async with serving.gateway.open(caller, access) as grant:
        return of_rows(await repository.cases(grant))


async def decide(serving: Services, caller: Caller, clinic: str, case: str, asked: Deciding) -> Decided:
    """Close a case: merge the two, or leave them apart.

    Raises:
        NotThere: the caller does not keep the register of this clinic; no such case, or it is closed.
        InvalidInput: no such decision.
        Refused: the two have records that cannot both be one patient's.
    """
    async with serving.gateway.work(caller, Access(Action.MERGE_DECIDE, Resource(clinic=clinic))) as work:
        try:
            decision = MergeDecision(asked.decision)
        except ValueError:
            raise InvalidInput("no such decision", place="decision") from None
        found = await repository.close(work, as_id(case), decision)
        await work.record(found["kept_patient_id"], found["other_patient_id"])
        if decision is MergeDecision.MERGE:
            await repository.merge(work, found["kept_patient_id"], found["other_patient_id"])
    return Decided(id=found["case_id"], decision=decision)
