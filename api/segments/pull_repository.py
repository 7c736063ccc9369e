"""Reads of a pull: all members of a segment at one moment, part by part, each member as a line of JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql

from api.gateway import Grant
from api.segments.members import members_of
from policies.classification import MemberField, needs_consent

_VERSION = ("version",)
# A patient's version moves with whatever is shown of them (`orchestration/ingest/sources.py`), but for an expiry; also
# with what is not, so that it is left out where nothing needs a consent.
_BY_VERSION = sql.SQL("hashint8extended(uuid_hash_extended(m.patient_id, m.version), m.shared::integer)")
_BY_FIELDS = sql.SQL("hashtextextended(row({})::text, 0)")
_EVERYBODY = sql.SQL("true")
# Said of both, or the planner would read all patients for each part.
_BETWEEN = sql.SQL("""
m.patient_id > %(after)s and m.patient_id <= %(upto)s and p.patient_id > %(after)s and p.patient_id <= %(upto)s""")
_STATE = sql.SQL("""
select
    statement_timestamp() as at,
    c.run,
    array(
        select s.patient_id
        from (
            select m.patient_id, row_number() over (order by m.patient_id) as place
            from segment_member as m
            where m.segment_id = %(segment)s and m.left_at is null
        ) as s
        where s.place %% %(size)s = 0
        order by s.patient_id
    ) as bounds,
    (
        select coalesce(bit_xor({digest}), 0)
        from ({members}) as m
    ) as digest
from segment_clock as c""")
_PART = sql.SQL("""
select m.patient_id, case when m.shared then {whole} else {named} end::text || E'\\n' as line
from ({members}) as m""")
_NOBODY = sql.SQL("select true as known")
# A revocation that commits after the moment was begun before it, but never an hour before: no request may last so.
_REVOKED = sql.SQL("""
select w.patient_id from operational.sharing_limit as w
where w.ends_at <= statement_timestamp()
    and greatest(w.ends_at, w.changed_at) > %(since)s::timestamptz - interval '1 hour'""")
_STRUCK = sql.SQL("""
select exists (
    select from segment_member as m
    where
        m.segment_id = %(segment)s and m.left_at is null and m.patient_id = any(%(patients)s)
        and not exists (
            select from operational.sharing_limit as w
            where w.patient_id = m.patient_id and w.ends_at <= %(at)s
        )
) as struck""")

# As those: who was deleted, and who of them was not yet at the pull's moment.
_DELETED = sql.SQL("""
select r.patient_id from operational.registration as r
where r.clinic_id = %(clinic)s and r.deleted_at > %(since)s::timestamptz - interval '1 hour'""")
_KNOWN_THEN = sql.SQL("""
select r.patient_id from operational.registration as r
where r.clinic_id = %(clinic)s and r.patient_id = any(%(patients)s) and r.deleted_at is null""")
_MEMBERS_OF = sql.SQL("""
select exists (
    select from segment_member as m
    where m.segment_id = %(segment)s and m.left_at is null and m.patient_id = any(%(patients)s)
) as members""")


@dataclass(frozen=True)
class State:
    """What a pull will hold: when it was looked at, the clinic's last run until then, and a digest of the rows.

    `bounds` are ids of patients between whom the parts lie.
    """

    at: datetime
    run: int
    bounds: list[UUID]
    digest: int


async def state(grant: Grant, fields: Sequence[MemberField], size: int) -> State:
    """What a pull of these fields at the grant's moment will hold, in parts of that size, without showing it."""
    digest: sql.Composable
    if any(map(needs_consent, fields)):
        members, digest = members_of(_VERSION, _EVERYBODY), _BY_VERSION
    else:
        columns = sql.SQL(", ").join(sql.Identifier("m", field) for field in fields)
        members, digest = members_of(fields, _EVERYBODY), _BY_FIELDS.format(columns)
    (row,) = await grant.look(_STATE.format(members=members, digest=digest), segment=_one(grant), size=size)
    return State(**row)


async def part(grant: Grant, fields: Sequence[MemberField], after: UUID, upto: UUID) -> dict[str, Any]:
    """The members after a patient, up to another: how many (`members`), and their `lines`."""
    query, values = lines_of(grant, fields, after, upto)
    return await grant.gather(query, **values)


def lines_of(
    grant: Grant, fields: Sequence[MemberField], after: UUID, upto: UUID
) -> tuple[sql.Composed, dict[str, Any]]:
    """The query of `part`, whose rows are a `patient_id` and a `line` each, and its values."""
    members = members_of(fields, _BETWEEN)
    query = _PART.format(members=members, whole=_json(fields), named=_json(_without_consent(fields)))
    return query, {"segment": _one(grant), "after": after, "upto": upto}


async def known(grant: Grant) -> None:
    """Record that whoever asked has the answer already, and was shown nobody."""
    await grant.read(_NOBODY, sql.SQL("known"))


async def revoked(grant: Grant, since: datetime) -> list[UUID]:
    """Patients of the clinic who share no profile any more since about then."""
    return [row["patient_id"] for row in await grant.look(_REVOKED, since=since)]


async def struck(grant: Grant, patients: Sequence[UUID], at: datetime) -> bool:
    """Whether any of these is in the pull of the moment `at`, and had not withdrawn by then."""
    (row,) = await grant.look(_STRUCK, segment=_one(grant), patients=list(patients), at=at)
    return bool(row["struck"])


async def deleted(grant: Grant, since: datetime) -> list[UUID]:
    """Patients of the clinic who are deleted now, since about then."""
    async with grant.viewing():
        return [row["patient_id"] for row in await grant.candidates(_DELETED, clinic=_clinic(grant), since=since)]


async def removed(grant: Grant, patients: Sequence[UUID]) -> bool:
    """Whether any of these is in the pull, and was not deleted at its moment."""
    async with grant.viewing():
        known = await grant.candidates(_KNOWN_THEN, clinic=_clinic(grant), patients=list(patients))
    (row,) = await grant.look(_MEMBERS_OF, segment=_one(grant), patients=[each["patient_id"] for each in known])
    return bool(row["members"])


def _clinic(grant: Grant) -> int | None:
    return grant.clinic.clinic_id if grant.clinic else None


def _one(grant: Grant) -> UUID | None:
    return grant.segment.segment_id if grant.segment else None


def _without_consent(fields: Sequence[MemberField]) -> list[MemberField]:
    return [field for field in fields if not needs_consent(field)]


def _json(fields: Sequence[MemberField]) -> sql.Composable:
    """A row of these columns of `m` as a JSON object; `row_to_json` keeps the columns' names."""
    columns = sql.SQL(", ").join(sql.Identifier("m", field) for field in fields)
    return sql.SQL("(select row_to_json(r) from (select {}) as r)").format(columns)
