"""Which leaf an event is: for whoever may see the event."""

from functools import cache
from uuid import UUID

from psycopg import sql

from api.gateway import Grant, PersonGrant
from api.me.statements import statement
from policies.words import Action

_ASKED = sql.SQL("select 1 as asked")
_LEAF = sql.SQL("select l.index from audit.leaf as l where l.stream = %(stream)s and l.event_id = %(event)s")
_OWN_LEAF = sql.SQL(
    "(select min(l.index) from audit.leaf as l where l.stream = 'access' and l.event_id = %(event)s) as leaf"
)


async def note(grant: Grant) -> None:
    """Record that hashes, sizes or keys were asked for."""
    await grant.read(_ASKED, sql.SQL("asked"))


async def leaf(grant: Grant, stream: str, event: UUID) -> int | None:
    """The index of an event's leaf; none if it is not the auditor's to see, or not sealed."""
    rows = await grant.read(_LEAF, sql.SQL("index"), stream=stream, event=event)
    return rows[0]["index"] if rows else None


async def own_leaf(grant: PersonGrant, dependent: UUID | None, event: UUID | None, *, own: bool) -> int | None:
    """The index of the leaf of an access to the caller's data, or a dependent's.

    Raises:
        NotThere: no such dependent, or not the caller's today.
    """
    me = grant.caller.principal.person_id
    row = await grant.disclose(_own_leaf(own), me=me, dependent=dependent, event=event)
    found: int | None = row["leaf"]
    return found


@cache
def _own_leaf(own: bool) -> str:
    return statement(Action.ACCESS_LIST, _OWN_LEAF, own=own)
