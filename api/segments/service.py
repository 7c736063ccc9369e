"""What callers may ask about segments; the API and the pages share it."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from api import entity_tags
from api.directory import ClinicEntry
from api.gateway import Access, Caller, Grant
from api.identity.principals import Principal
from api.segments import reach_repository, repository
from api.segments.counts import are_exact, with_rounded
from api.segments.schemas import SegmentDetail
from api.segments.stored import shown as rule_shown
from api.services import Services
from infra.errors import Gone, InvalidInput, NotThere, Refused
from policies.access.model import Resource
from policies.classification import MESSAGE_CONTACTS, Field, MemberField
from policies.words import Action, Purpose

BY_NAME = (Field.PATIENT_ID, Field.NAME)
EVERY_FIELD: tuple[MemberField, ...] = (*Field, *MESSAGE_CONTACTS)
TOO_MANY = "too_many"
_DROP = "It is archived and has no members: whoever keeps a copy of it deletes that."
_PULL_INSTEAD = "Pull it: GET /v1/clinics/{clinic}/segments/{segment}/members with Accept: application/x-ndjson."


@dataclass(frozen=True)
class SegmentList:
    """A clinic's segments, as `repository.segments` returns them."""

    clinic: ClinicEntry
    segments: list[dict[str, Any]]


@dataclass(frozen=True)
class MemberPage:
    """One page of members, and the cursor of the next; known, it shows nobody. `tag` is its entity tag, if any."""

    segment: str
    members: list[dict[str, Any]]
    next: str | None
    tag: str | None
    known: bool


async def list_segments(
    serving: Services, caller: Caller, clinic: str | None, *, archived: bool = False
) -> SegmentList:
    """A clinic's segments, those that are archived or the others.

    Raises:
        NotThere: no such clinic, or not the caller's.
    """
    async with serving.gateway.open(caller, Access(Action.SEGMENT_LIST, Resource(clinic))) as grant:
        found = await repository.segments(grant, archived=archived)
    return SegmentList(clinic_of(grant.clinic), _told(serving, caller, clinic, found))


async def read_segment(serving: Services, caller: Caller, clinic: str, segment: str) -> SegmentList:
    """One segment, as a list of one; archived too, but then it has no page of members.

    Raises:
        NotThere: no such segment, or not the caller's.
    """
    async with serving.gateway.open(caller, Access(Action.SEGMENT_READ, Resource(clinic, segment))) as grant:
        found = await repository.segments(grant)
    return SegmentList(clinic_of(grant.clinic), _told(serving, caller, clinic, found))


async def read_definition(serving: Services, caller: Caller, clinic: str, segment: str) -> tuple[SegmentDetail, str]:
    """One segment with its rule, its versions and who names it, and its entity tag.

    Raises:
        NotThere: no such segment, or not the caller's.
    """
    async with serving.gateway.open(caller, Access(Action.SEGMENT_READ, Resource(clinic, segment))) as grant:
        definition = await repository.definition(grant)
        (found,) = await repository.segments(grant)
    return await defined(serving, caller, clinic, found, definition)


async def defined(
    serving: Services, caller: Caller, clinic: str, counted: dict[str, Any], definition: dict[str, Any]
) -> tuple[SegmentDetail, str]:
    """A segment as its counts and its definition say, told to the caller; and its entity tag."""
    (found,) = _told(serving, caller, clinic, [counted])
    by_people = caller.principal.key is None
    editors = {UUID(v["created_by"]) for v in definition["versions"] if v["created_by"]} | {definition["archived_by"]}
    logins = await serving.logins(editors - {None}) if by_people else {}
    shown = {**found, **definition, **rule_shown(definition["rule"])}
    shown["broken"] = found["broken"] or shown["text"] is None
    shown["archived_by"] = logins.get(definition["archived_by"])
    shown["versions"] = [_version(version, logins) for version in definition["versions"]]
    archived = found["archived_at"] is not None
    tag = entity_tag(found["version"], found["name"], found["description"], archived=archived)
    return SegmentDetail.model_validate(shown), tag


async def list_members(
    serving: Services,
    caller: Caller,
    clinic: str | None,
    segment: str,
    limit: int,
    cursor: str | None,
    at: datetime | None = None,
    known: str = "",
    *,
    among: Collection[MemberField] = EVERY_FIELD,
    whole: bool = False,
    named: str = "",
) -> MemberPage:
    """A page of a segment's members, now or at a past time, with the fields of `among` that the caller may see.

    Of an archived one the past alone. `known` is an `If-None-Match`; with `named` those alone whose names hold it.
    A `whole` page holds all or is refused.

    Raises:
        NotThere: no such segment, or not the caller's; the cursor is none of this list.
        Gone: it is archived, and its members of now are asked for.
        InvalidInput: the time is to come, or a name is looked for that the caller may not see.
        Refused: there are more members than the limit, and the page should be whole.
    """
    fields = tuple(field for field in visible_fields(caller.principal) if field in among)
    access = listing(caller.principal, clinic, segment, fields)
    # Who writes to members does so to those of now, whatever time is asked about.
    past = at is not None and not writes(caller.principal)
    async with serving.gateway.open(caller, replace(access, archived_too=True)) as grant:
        if not past:
            check_in_use(grant)
        if at is not None and at > datetime.now(UTC):
            raise InvalidInput("a time to come", place="query.at", rule="in_the_future")
        if named and (Field.NAME not in fields or writes(caller.principal)):
            raise InvalidInput("names are not shown", place="query.named", rule="not_shown")
        bound_to = (clinic, segment, caller.principal.principal_id, at.astimezone(UTC) if at else "now", named)
        after = _position(serving, cursor, bound_to) if cursor else None

        def tagged(digest: int) -> str:
            return entity_tags.tag(serving.digests, digest, *fields)

        if writes(caller.principal):
            found = await reach_repository.page(grant, serving.codec, fields, at, after, limit)
        else:
            is_known = (lambda digest: entity_tags.is_known(tagged(digest), known)) if known else None
            found = await repository.members(grant, fields, at, after, limit, is_known, named)
        if whole and found.last:
            raise Refused(f"more than {limit} members", place="segment", rule=TOO_MANY, detail=_PULL_INSTEAD)
    following = serving.cursors.seal(str(found.last), "members", *bound_to) if found.last else None
    tag = None if found.digest is None else tagged(found.digest)
    return MemberPage(segment, found.members, following, tag, tag is not None and entity_tags.is_known(tag, known))


def visible_fields(principal: Principal) -> tuple[MemberField, ...]:
    """What of a member the caller asks for: a key its scope, anybody else the name."""
    if principal.key is None:
        return BY_NAME
    known = EVERY_FIELD if writes(principal) else tuple(Field)
    return tuple(field for field in known if field in principal.key.fields)


def check_in_use(grant: Grant) -> None:
    """See that the grant's segment is not archived: then it has no members, and whoever follows it learns that.

    Raises:
        Gone: it is.
    """
    if grant.segment and grant.segment.archived:
        raise Gone("archived", place="path.segment", rule="archived", detail=_DROP)


def writes(principal: Principal) -> bool:
    """Whether the caller is a key for writing to patients, which sees those alone who agreed to that."""
    return principal.key is not None and principal.key.purpose is Purpose.COMMUNICATIONS


def listing(principal: Principal, clinic: str | None, segment: str, fields: Sequence[MemberField]) -> Access:
    """The access that a list of members is."""
    action = Action.MEMBER_REACH if writes(principal) else Action.MEMBER_LIST
    return Access(action, Resource(clinic, segment), frozenset(field.value for field in fields))


def _told(
    serving: Services, caller: Caller, clinic: str | None, segments: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Segments with their counts as the caller is told them; one scope, and so one decision, for all of a list."""
    exact = not segments or are_exact(serving.gateway, caller.principal, clinic, segments[0]["slug"])
    return segments if exact else [with_rounded(segment) for segment in segments]


def _version(version: dict[str, Any], logins: dict[UUID, str]) -> dict[str, Any]:
    by = version["created_by"]
    return {**version, **rule_shown(version["rule"]), "created_by": logins.get(UUID(by)) if by else None}


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
