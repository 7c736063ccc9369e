"""Impersonation as identity sees it: whose token somebody else may act with, asked anew for every request."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from api.database import Connection
from api.identity.principals import COLUMNS, Acting, Principal
from policies.words import PERSONAL_ROLES, Role

# The subject, while all of it stands: the impersonation, the subject's account, and the actor's role.
_ACTED_FOR = f"""
select {COLUMNS}
from operational.impersonation as i
inner join operational.principal as p on p.principal_id = i.subject_id and p.person_id = i.person_id
inner join operational.principal as a on a.principal_id = i.actor_id
inner join operational.principal_role as held on held.principal_id = a.principal_id
where i.impersonation_id = %(impersonation)s and i.actor_id = %(actor)s and i.subject_id = %(subject)s
    and i.ended_at is null and i.ends_at > statement_timestamp()
    and p.disabled_at is null and a.disabled_at is null
    and held.role = %(admin)s and held.clinic_id is null and held.revoked_at is null
"""  # nosec B608 # constants
_OF_ACTOR = """
select i.impersonation_id, i.subject_id, p.login as subject, i.ends_at
from operational.impersonation as i
inner join operational.principal as p on p.principal_id = i.subject_id
where i.actor_id = %s and i.ended_at is null and i.ends_at > statement_timestamp()
order by i.ends_at, i.impersonation_id"""


@dataclass(frozen=True)
class Live:
    """An impersonation that its actor has open: as whom, and until when."""

    impersonation_id: UUID
    subject_id: UUID
    subject: str
    ends_at: datetime


async def principal_of(connection: Connection, subject_id: UUID, acting: Acting) -> Principal | None:
    """The impersonated principal; None if the impersonation is not that actor's, of that subject, and live.

    Nor is anybody impersonated who is more than a patient or guardian by now.
    """
    values: dict[str, Any] = {
        "impersonation": acting.impersonation_id,
        "actor": acting.actor_id,
        "subject": subject_id,
        "admin": Role.PLATFORM_ADMIN.value,
    }
    row = await (await connection.execute(_ACTED_FOR, values)).fetchone()
    if row is None:
        return None
    found = Principal.of(row, f"impersonation:{acting.impersonation_id}")
    ordinary = all(role in PERSONAL_ROLES for role, _ in found.roles)
    return replace(found, acting=acting) if ordinary else None


async def of_actor(connection: Connection, actor_id: UUID) -> list[Live]:
    """What an admin has open now, the one that ends first before others."""
    found = await connection.execute(_OF_ACTOR, [actor_id])
    return [Live(**row) for row in await found.fetchall()]
