"""Members who may be written to: who shares the profile and agreed to messages, and has not refused them since, with
contacts opened for who asks.

Who is in a segment the clinic's mart says, and who agreed the operational zone: so the mart gives candidates, and the
read that discloses picks from them.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql

from api.gateway import Grant
from api.profiles.columns import columns, shown
from api.segments.members import FOLLOWING, members_of
from api.segments.members import shown as of_mart
from api.segments.pull_repository import lines_of
from api.segments.repository import Page
from infra.encryption.field_codec import FieldCodec
from policies.classification import MemberField, ProfileField, is_contact

_STANDS = """
exists (
    select from operational.consent as c
    where
        c.clinic_id = r.clinic_id and c.person_id = r.person_id and c.purpose = '{}' and c.state = 'signed'
        and c.occurred_at <= statement_timestamp() and coalesce(c.expires_at > statement_timestamp(), true)
)"""
_AGREED = _STANDS.format("communications")
_REACHABLE = sql.SQL(f"""
select r.patient_id, r.person_id, {{columns}}
from operational.registration as r
inner join operational.person as p on p.person_id = r.person_id and p.deleted_at is null
inner join operational.profile as q on q.person_id = r.person_id{{keys}}
where
    r.clinic_id = %(event__clinic_id)s and r.patient_id = any(%(patients)s) and r.deleted_at is null
    and {_AGREED} and {_STANDS.format("profile_sharing")}
    and not exists (
        select from operational.profile_tombstone as w
        where w.clinic_id = r.clinic_id and w.patient_id = r.patient_id and w.cleared_at is null
    )
    and not exists (
        select from operational.message_refusal as f
        inner join operational.consent as c
            on c.clinic_id = f.clinic_id and c.person_id = r.person_id and c.purpose = 'communications'
        where f.clinic_id = r.clinic_id and f.patient_id = r.patient_id and f.refused_at >= c.occurred_at
    )""")  # nosec B608 # constants
_PAGE = sql.SQL("select * from ({members}) as m order by m.patient_id limit %(limit)s + 1")
_REVOKED = sql.SQL("""
select r.patient_id
from operational.consent as c
inner join operational.registration as r on r.clinic_id = c.clinic_id and r.person_id = c.person_id
where c.purpose = 'communications' and c.state = 'revoked'""")
_AGREED_THEN = sql.SQL(f"""
select exists (
    select from operational.registration as r where r.patient_id = any(%(patients)s) and {_AGREED}
) as agreed""")  # nosec B608 # constants


async def page(
    grant: Grant, codec: FieldCodec, fields: Sequence[MemberField], at: datetime | None, after: UUID | None, limit: int
) -> Page:
    """Those who may be written to of up to `limit` members, now or at a past time, after a patient id."""
    held, contacts = _apart(fields)
    query = _PAGE.format(members=members_of(held, FOLLOWING, past=at is not None))
    segment = grant.segment.segment_id if grant.segment else None
    rows = await grant.candidates(query, segment=segment, at=at, after=after, limit=limit)
    looked_at = rows[:limit]
    found = await _reached(grant, codec, contacts, {row["patient_id"]: of_mart(row, held) for row in looked_at})
    return Page(found, looked_at[-1]["patient_id"] if len(rows) > limit else None)


async def part(
    grant: Grant, codec: FieldCodec, fields: Sequence[MemberField], after: UUID, upto: UUID
) -> dict[str, Any]:
    """As `pull_repository.part`, of those alone who may be written to."""
    held, contacts = _apart(fields)
    query, values = lines_of(grant, held, after, upto)
    rows = await grant.candidates(query, **values)
    found = await _reached(grant, codec, contacts, {row["patient_id"]: json.loads(row["line"]) for row in rows})
    return {"members": len(found), "lines": "".join(f"{json.dumps(row)}\n" for row in found)}


async def revoked(grant: Grant) -> list[UUID]:
    """The clinic's patients who agreed to messages once and do not now."""
    async with grant.viewing():
        return [row["patient_id"] for row in await grant.candidates(_REVOKED)]


async def agreed(grant: Grant, patients: Sequence[UUID]) -> bool:
    """Whether any of these agreed at the grant's moment, whatever segment they are in."""
    async with grant.viewing():
        (row,) = await grant.candidates(_AGREED_THEN, patients=list(patients))
    return bool(row["agreed"])


async def _reached(
    grant: Grant, codec: FieldCodec, contacts: Sequence[ProfileField], candidates: Mapping[UUID, dict[str, Any]]
) -> list[dict[str, Any]]:
    read, keys = columns(contacts)
    query = _REACHABLE.format(columns=read, keys=keys)
    async with grant.viewing():
        rows = await grant.disclose(query, sql.SQL("patient_id"), patients=list(candidates))
    return [{**candidates[row["patient_id"]], **shown(row, contacts, codec)} for row in rows]


def _apart(fields: Sequence[MemberField]) -> tuple[list[MemberField], list[ProfileField]]:
    """What the mart holds, and the contacts that it does not."""
    contacts = [ProfileField(field) for field in fields if is_contact(field)]
    return [field for field in fields if not is_contact(field)], contacts
