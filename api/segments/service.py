"""What callers may ask about segments; the API and the pages share it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api.directory import ClinicEntry
from api.gateway import Access, Caller
from api.identity.principals import Principal
from api.segments import repository
from api.services import Services
from infra.errors import NotThere
from policies.access.model import Resource
from policies.classification import Field
from policies.words import Action

BY_NAME = (Field.PATIENT_ID, Field.NAME)


@dataclass(frozen=True)
class SegmentList:
    """A clinic's segments, as `repository.segments` returns them."""

    clinic: ClinicEntry
    segments: list[dict[str, Any]]


@dataclass(frozen=True)
class MemberPage:
    """One page of members, and the cursor of the next."""

    segment: str
    members: list[dict[str, Any]]
    next: str | None


async def list_segments(serving: Services, caller: Caller, clinic: str) -> SegmentList:
    """A clinic's segments.

    Raises:
        NotThere: no such clinic, or not the caller's.
    """
    async with serving.gateway.open(caller, Access(Action.SEGMENT_LIST, Resource(clinic))) as grant:
        found = await repository.segments(grant)
    return SegmentList(_clinic(grant.clinic), found)


async def read_segment(serving: Services, caller: Caller, clinic: str, segment: str) -> SegmentList:
    """One segment, as a list of one.

    Raises:
        NotThere: no such segment, or not the caller's.
    """
    async with serving.gateway.open(caller, Access(Action.SEGMENT_READ, Resource(clinic, segment))) as grant:
        found = await repository.segments(grant)
    return SegmentList(_clinic(grant.clinic), found)


async def list_members(
    serving: Services, caller: Caller, clinic: str, segment: str, limit: int, cursor: str | None
) -> MemberPage:
    """A page of a segment's present members, with the fields the caller may see.

    Raises:
        NotThere: no such segment, or not the caller's; the cursor is none of this list.
    """
    fields = visible_fields(caller.principal)
    access = Access(Action.MEMBER_LIST, Resource(clinic, segment), frozenset(field.value for field in fields))
    async with serving.gateway.open(caller, access) as grant:
        bound_to = (clinic, segment, caller.principal.principal_id)
        after = _position(serving, cursor, bound_to) if cursor else None
        members, more = await repository.members(grant, fields, after, limit)
    following = serving.cursors.seal(str(members[-1]["patient_id"]), "members", *bound_to) if more else None
    return MemberPage(segment, members, following)


def visible_fields(principal: Principal) -> tuple[Field, ...]:
    """What of a member the caller asks for: a key its scope, anybody else the name."""
    if principal.key is None:
        return BY_NAME
    return tuple(field for field in Field if field in principal.key.fields)


def _position(serving: Services, cursor: str, bound_to: tuple[object, ...]) -> UUID:
    try:
        return UUID(serving.cursors.open(cursor, "members", *bound_to))
    except ValueError:
        raise NotThere("no cursor of this list") from None


def _clinic(clinic: ClinicEntry | None) -> ClinicEntry:
    if clinic is None:
        raise NotThere("no such clinic")
    return clinic
