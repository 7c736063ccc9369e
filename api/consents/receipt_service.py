"""What people and auditors may ask of the receipts of consents."""

from uuid import UUID

from api.audit.service import only_clinic
from api.consents import receipt_repository as repository
from api.consents.receipt_schemas import AuditedReceipt, AuditedReceipts, ConsentReceipts, Propagation
from api.gateway import Access, Caller
from api.me.service import person_of
from api.profiles.service import as_id
from api.services import Services
from infra.errors import InvalidInput, NotThere
from policies.access.model import Resource
from policies.words import Action


async def read_receipts(serving: Services, caller: Caller, event: str, dependent: str | None = None) -> ConsentReceipts:
    """What a consent event of the caller or a dependent led to.

    Raises:
        NotThere: no such event of theirs; no such dependent.
    """
    named = as_id(event)
    grant = await serving.gateway.person(caller, Access(Action.CONSENT_LIST, person_of(caller, dependent)))
    found = await repository.of_event(grant, as_id(dependent or ""), named, own=dependent is None)
    if found is None or named is None:
        raise NotThere("no such thing")
    return ConsentReceipts(event=named, receipts=[Propagation.model_validate(row) for row in found])


async def list_receipts(
    serving: Services, caller: Caller, clinic: str | None, patient: UUID | None, event: UUID | None
) -> AuditedReceipts:
    """The newest receipts of a patient or a consent event, for who audits the clinic or the platform.

    Raises:
        NotThere: not the caller's log, or no such clinic.
        InvalidInput: neither patient nor event.
    """
    resource = Resource(clinic or only_clinic(caller))
    async with serving.gateway.open(caller, Access(Action.AUDIT_SEARCH, resource)) as grant:
        if patient is None and event is None:
            raise InvalidInput("a patient or an event", place="query.patient", rule="missing")
        rows = await repository.audited(grant, patient, event)
    slugs = {entry.clinic_id: entry.slug for entry in await serving.directory.clinics()}
    return AuditedReceipts(
        receipts=[AuditedReceipt.model_validate({**row, "clinic": slugs.get(row["clinic_id"])}) for row in rows]
    )
