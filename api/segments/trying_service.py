"""Trying rules before they are saved: whom one means, and what it would change."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from api.bodies import given
from api.directory import ClinicEntry
from api.gateway import Access, Caller, Grant
from api.segments import trying_repository as repository
from api.segments.rules import rule_of
from api.segments.stored import together
from api.segments.trying_repository import Pair
from api.segments.trying_schemas import Difference, NamedPatient, Preview, Size, TriedRule
from api.services import Services
from infra.errors import NotThere
from policies.access.model import Resource
from policies.segments.compiler import ActiveSegment
from policies.segments.references import named, profile_dependent, reached
from policies.segments.rule import AllOf, AnyOf, InSegment, Not, Rule
from policies.segments.sound import readable, sound_rules
from policies.words import Action

# No slugs: of the rule that has none yet, and behind one, of the segment as it would be.
_UNSAVED, _TRIED = "(this rule)", "~"


async def preview(serving: Services, caller: Caller, clinic: str, asked: TriedRule | None) -> Preview:
    """Whom a rule would mean.

    Raises:
        NotThere: no such clinic, or not the caller's to manage.
        InvalidInput: nothing was sent, or no rule, or one that takes too long; names the place.
    """
    async with serving.gateway.open(caller, Access(Action.SEGMENT_PREVIEW, Resource(clinic))) as grant:
        asked = given(asked)
        rules = together(await _stored(grant), _UNSAVED, rule_of(asked.rule))
        segments, as_of = _active(_behind(rules, [_UNSAVED])), as_of_day(grant.clinic)
        tried = next(segment.segment_id for segment in segments if segment.slug == _UNSAVED)
        rows = await repository.preview(grant, segments, tried, as_of, asked.limit)
    return Preview(
        as_of=as_of,
        profile_dependent=profile_dependent(rules[_UNSAVED], rules),
        sample=_patients(rows),
        **{count: rows[0][count] for count in ("patients", "members", "undecided")},
    )


async def compare(serving: Services, caller: Caller, clinic: str, slug: str, asked: TriedRule | None) -> Difference:
    """What a segment's new rule would change, in it and in those that name it.

    Raises:
        NotThere: no such segment, or not the caller's to manage.
        InvalidInput: nothing was sent, or no rule, or one that takes too long; names the place.
    """
    async with serving.gateway.open(caller, Access(Action.SEGMENT_COMPARE, Resource(clinic, slug))) as grant:
        asked, stored, as_of = given(asked), await _stored(grant), as_of_day(grant.clinic)
        changed, rules = together(stored, slug, rule_of(asked.rule)), sound_rules(stored)
        affected = _users(changed, slug)
        segments = _active(_behind(rules | _as_they_would_be(changed, affected), [*affected, *map(_tried, affected)]))
        rows = await repository.compare(grant, segments, _pairs(segments, affected), slug, as_of, asked.limit)
    sizes = {size["slug"]: Size.model_validate(size) for size in rows[0]["sizes"]}
    own = sizes.pop(slug)
    return Difference(
        as_of=as_of,
        before=own.before,
        after=own.after,
        entered=rows[0]["entered"],
        left=rows[0]["gone"],
        entering=_patients(row for row in rows if row["kind"] == "entered"),
        leaving=_patients(row for row in rows if row["kind"] == "left"),
        used_by=list(sizes.values()),
    )


def as_of_day(clinic: ClinicEntry | None) -> date:
    """The day that a clinic's mart stands for; the clinic's own today before it is built.

    Raises:
        NotThere: no clinic.
    """
    if clinic is None:
        raise NotThere("no such clinic")
    return clinic.as_of or datetime.now(UTC).astimezone(ZoneInfo(clinic.time_zone)).date()


async def _stored(grant: Grant) -> dict[str, Rule | None]:
    return {slug: readable(rule) for slug, rule in (await repository.rules(grant)).items()}


def _pairs(segments: list[ActiveSegment], affected: list[str]) -> list[Pair]:
    """Each as it is and as it would be; what is broken is none of the segments that can be evaluated as it is."""
    ids = {segment.slug: segment.segment_id for segment in segments}
    return [Pair(slug, ids.get(slug, uuid4()), ids[_tried(slug)], broken=slug not in ids) for slug in affected]


def _active(rules: Mapping[str, Rule]) -> list[ActiveSegment]:
    return [ActiveSegment(uuid4(), 1, rule, slug) for slug, rule in rules.items()]


def _behind(rules: Mapping[str, Rule], slugs: list[str]) -> dict[str, Rule]:
    """These rules and all that they name, themselves or through others."""
    return {slug: rules[slug] for slug in sorted(reached(slugs, rules))}


def _users(rules: Mapping[str, Rule], slug: str) -> list[str]:
    """A segment and those that name it, themselves or through others."""
    found = [slug]
    for known in found:  # which grows meanwhile
        found += [other for other in sorted(rules) if other not in found and known in named(rules[other])]
    return found


def _as_they_would_be(rules: Mapping[str, Rule], affected: list[str]) -> dict[str, Rule]:
    """The affected rules under slugs of their own, which they also name one another by."""
    return {_tried(slug): _naming_tried(rules[slug], affected) for slug in affected}


def _naming_tried(rule: Rule, affected: list[str]) -> Rule:
    if isinstance(rule, InSegment):
        return rule.model_copy(update={"in_segment": _tried(rule.in_segment)}) if rule.in_segment in affected else rule
    if isinstance(rule, Not):
        return rule.model_copy(update={"part": _naming_tried(rule.part, affected)})
    if isinstance(rule, AllOf):
        return rule.model_copy(update={"all": [_naming_tried(part, affected) for part in rule.all]})
    if isinstance(rule, AnyOf):
        return rule.model_copy(update={"any": [_naming_tried(part, affected) for part in rule.any]})
    return rule


def _tried(slug: str) -> str:
    return slug + _TRIED


def _patients(rows: Iterable[dict[str, Any]]) -> list[NamedPatient]:
    return [NamedPatient.model_validate(row) for row in rows if row["patient_id"] is not None]
