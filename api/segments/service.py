"""What callers may ask about segments; the API and the pages share it."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from api.directory import ClinicEntry
from api.gateway import Access, Caller
from api.identity.principals import Principal
from api.segments import repository
from api.segments.schemas import SegmentDetail
from api.services import Services
from infra.errors import InvalidInput, NotThere
from policies.access.model import Resource
from policies.classification import Field
from policies.segments.rule import parse_rule, to_json
from policies.segments.text import write
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


async def list_segments(serving: Services, caller: Caller, clinic: str, *, archived: bool = False) -> SegmentList:
    """A clinic's segments, those that are archived or the others.

    Raises:
        NotThere: no such clinic, or not the caller's.
    """
    async with serving.gateway.open(caller, Access(Action.SEGMENT_LIST, Resource(clinic))) as grant:
        found = await repository.segments(grant, archived=archived)
    return SegmentList(clinic_of(grant.clinic), found)


async def read_segment(serving: Services, caller: Caller, clinic: str, segment: str) -> SegmentList:
    """One segment, as a list of one; archived too, but then it has no page of members.

    Raises:
        NotThere: no such segment, or not the caller's.
    """
    async with serving.gateway.open(caller, Access(Action.SEGMENT_READ, Resource(clinic, segment))) as grant:
        found = await repository.segments(grant)
    return SegmentList(clinic_of(grant.clinic), found)


async def read_definition(serving: Services, caller: Caller, clinic: str, segment: str) -> tuple[SegmentDetail, str]:
    """One segment with its rule, its versions and who names it, and its entity tag.

    Raises:
        NotThere: no such segment, or not the caller's.
    """
    async with serving.gateway.open(caller, Access(Action.SEGMENT_READ, Resource(clinic, segment))) as grant:
        definition = await repository.definition(grant)
        (found,) = await repository.segments(grant)
    by_people = caller.principal.key is None
    editors = {UUID(v["created_by"]) for v in definition["versions"] if v["created_by"]} | {definition["archived_by"]}
    logins = await serving.logins(editors - {None}) if by_people else {}
    rule = parse_rule(definition["rule"])
    shown = {**found, **definition, "rule": to_json(rule), "text": write(rule)}
    shown["archived_by"] = logins.get(definition["archived_by"])
    shown["versions"] = [_version(version, logins) for version in definition["versions"]]
    archived = found["archived_at"] is not None
    tag = entity_tag(found["version"], found["name"], found["description"], archived=archived)
    return SegmentDetail.model_validate(shown), tag


async def list_members(
    serving: Services,
    caller: Caller,
    clinic: str,
    segment: str,
    limit: int,
    cursor: str | None,
    at: datetime | None = None,
) -> MemberPage:
    """A page of a segment's members, now or at a past time, with the fields the caller may see.

    Raises:
        NotThere: no such segment, or not the caller's; the cursor is none of this list.
        InvalidInput: the time is to come.
    """
    fields = visible_fields(caller.principal)
    access = Access(Action.MEMBER_LIST, Resource(clinic, segment), frozenset(field.value for field in fields))
    async with serving.gateway.open(caller, access) as grant:
        if at is not None and at > datetime.now(UTC):
            raise InvalidInput("a time to come", place="query.at", rule="in_the_future")
        bound_to = (clinic, segment, caller.principal.principal_id, at.astimezone(UTC) if at else "now")
        after = _position(serving, cursor, bound_to) if cursor else None
        members, more = await repository.members(grant, fields, at, after, limit)
    following = serving.cursors.seal(str(members[-1]["patient_id"]), "members", *bound_to) if more else None
    return MemberPage(segment, members, following)


def visible_fields(principal: Principal) -> tuple[Field, ...]:
    """What of a member the caller asks for: a key its scope, anybody else the name."""
    if principal.key is None:
        return BY_NAME
    return tuple(field for field in Field if field in principal.key.fields)


def _version(version: dict[str, Any], logins: dict[UUID, str]) -> dict[str, Any]:
    by = version["created_by"]
    rule = parse_rule(version["rule"])
    return {**version, "rule": to_json(rule), "text": write(rule), "created_by": logins.get(UUID(by)) if by else None}


def _position(serving: Services, cursor: str, bound_to: tuple[object, ...]) -> UUID:
    try:
        return UUID(serving.cursors.open(cursor, "members", *bound_to))
    except ValueError:
        raise NotThere("no cursor of this list") from None


def entity_tag(version: int, name: str, description: str, *, archived: bool) -> str:
    """A segment's version and a digest of its words, as RFC 9110 writes a strong entity tag."""
    words = json.dumps([name, description, archived]).encode()
    return f'"{version}-{hashlib.sha256(words).hexdigest()[:16]}"'


def clinic_of(clinic: ClinicEntry | None) -> ClinicEntry:
    """The clinic of a grant for one.

    Raises:
        NotThere: it is for none.
    """
    if clinic is None:
        raise NotThere("no such clinic")
    return clinic
