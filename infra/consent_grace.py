"""How long what a guardian signed stands once the patient is of age: a clinic's setting."""

from typing import Annotated

from pydantic import Field

from infra.audit import record_process
from infra.database import Server
from infra.errors import InvalidInput
from infra.provisioner import provisioning, resolve_clinic
from policies.words import ProcessAction

LONGEST_DAYS = 3650
GraceDays = Annotated[
    int,
    Field(ge=0, le=LONGEST_DAYS, description="How long what a guardian signed stands past the patient's majority."),
]
SET = """
update operational.clinic set consent_grace_days = %(days)s
where clinic_id = %(clinic)s and consent_grace_days <> %(days)s"""


def set_consent_grace(at: Server, clinic: str, days: int) -> bool:
    """Have a guardian's signatures stand so many days past majority, those that were given already as well.

    False if it was so already.

    Raises:
        InvalidInput: no such clinic, or not 0 to 3,650 days.
    """
    if not 0 <= days <= LONGEST_DAYS:
        raise InvalidInput(f"not 0 to {LONGEST_DAYS} days", place="days")
    with provisioning(at) as connection, connection.transaction():
        clinic_id, _ = resolve_clinic(connection, clinic)
        changed = connection.execute(SET, {"clinic": clinic_id, "days": days}).rowcount > 0
        record_process(
            connection,
            role="operator",
            action=ProcessAction.CLINIC_CONFIGURE,
            resource_type="clinic",
            resource_id=clinic,
            clinic_id=clinic_id,
        )
    return changed
