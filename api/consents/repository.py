"""Consents in the database: append-only events."""

from datetime import datetime
from uuid import UUID, uuid4

from psycopg import sql

from api.gateway import Work
from infra.errors import Refused
from policies.words import ConsentKind, ConsentPurpose

_SIGN = sql.SQL("""
insert into operational.consent_event
    (event_id, clinic_id, person_id, purpose, kind, text_version, signer_id, channel, occurred_at, expires_at)
values (%(event)s, %(clinic)s, %(person)s, %(purpose)s, %(kind)s, %(text_version)s, operational.context_actor(),
    %(channel)s, statement_timestamp(), %(expires_at)s)""")


async def sign(
    work: Work,
    *,
    clinic_id: int,
    person_id: UUID,
    purpose: ConsentPurpose,
    text_version: str,
    channel: str,
    expires_at: datetime | None = None,
) -> UUID:
    """Write the event that the caller's own person signed, for themself or a dependent; its id.

    Raises:
        Refused: there is no such text.
    """
    event = uuid4()
    await work.run(
        _SIGN,
        conflict=Refused("no such text", place="text_version", rule="no_such_text"),
        event=event,
        clinic=clinic_id,
        person=person_id,
        purpose=purpose.value,
        kind=ConsentKind.SIGNED.value,
        text_version=text_version,
        channel=channel,
        expires_at=expires_at,
    )
    return event
