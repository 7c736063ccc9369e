"""Trying rules before they are saved: whom one means, and what it would change."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from api.bodies import given
from api.directory import ClinicEntry
from api.gateway import Access, Caller, Grant
from api.segments import trying_repository as repository
from api.segments.naming import unknown_names, warnings
from api.segments.rules import PLACE, rule_of
from api.segments.stored import sent_or_stored, together
from api.segments.trying_repository import Pair, Reached
from api.segments.trying_schemas import ComparedRule, Difference, NamedPatient, Preview, Size, TriedRule
from api.services import Services
from infra.errors import InvalidInput, NotThere
from policies.access.model import Resource
from policies.segments.compiler import ActiveSegment
from policies.segments.references import named, profile_dependent, reached
from policies.segments.rule import AllOf, AnyOf, InSegment, Not, Rule
from policies.segments.sound import readable, sound_rules
from policies.segments.text import write
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
        new, (stored, _) = rule_of(asked.rule), await _stored(grant)
        rules, unknown = together(stored, _UNSAVED, new), await unknown_names(grant, new)
        segments, as_of = _active(_behind(rules, [_UNSAVED])), as_of_day(grant.clinic)
        tried = next(segment.segment_id for segment in segments if segment.slug == _UNSAVED)
        rows = await repository.preview(grant, segments, tried, as_of, asked.limit)
    return Preview(
        as_of=as_of,
        profile_dependent=profile_dependent(rules[_UNSAVED], rules),
        sample=_patients(rows),
        warnings=await warnings(unknown),
        **{count: rows[0][count] for count in ("patients", "members", "undecided")},
    )


async def compare(serving: Services, caller: Caller, clinic: str, slug: str, asked: ComparedRule | None) -> Difference:
    """What a segment's new rule would change, in it and in those that name it; of an archived one, had it back.

    Raises:
        NotThere: no such segment, or not the caller's to manage; the cursor is none of this difference.
        InvalidInput: no rule was sent, or one that takes too long; names the place.
        Refused: no rule was sent, and what is stored is none any more.
    """
    asked = asked or ComparedRule()
    access = Access(Action.SEGMENT_COMPARE, Resource(clinic, slug), archived_too=True)
    async with serving.gateway.open(caller, access) as grant:
        (stored, own), as_of = await _stored(grant), as_of_day(grant.clinic)
        if grant.segment and not grant.segment.archived and asked.says_nothing:
            raise InvalidInput("no rule", place=PLACE, rule="missing")
        new = sent_or_stored(asked, own)
        bound_to = ("difference", clinic, slug, caller.principal.principal_id, write(new.rule))
        after = _reached(serving.cursors.open(asked.cursor, *bound_to)) if asked.cursor else Reached()
        changed, rules = together(stored, slug, new), sound_rules(stored)
        affected = _users(changed, slug)
        segments = _active(_behind(rules | _as_they_would_be(changed, affected), [*affected, *map(_tried, affected)]))
        unknown = await unknown_names(grant, new)
        rows = await repository.compare(grant, segments, _pairs(segments, affected), slug, as_of, after, asked.limit)
    shown = [row for row in rows if not row["behind"]]
    more = any(row["followed"] for row in shown)
    return Difference(
        as_of=as_of,
        entering=_patients(row for row in shown if row["kind"] == "entered"),
        leaving=_patients(row for row in shown if row["kind"] == "left"),
        next=serving.cursors.seal(_written(after, shown), *bound_to) if more else None,
        warnings=await warnings(unknown),
        **_counts(rows[0], slug),
    )


def _counts(row: dict[str, Any], slug: str) -> dict[str, Any]:
    """What a difference counts, whomever it names."""
    sizes = {size["slug"]: Size.model_validate(size) for size in row["sizes"]}
    own = sizes.pop(slug)
    return {
        "before": own.before, "after": own.after, "entered": row["entered"], "left": row["gone"],
        "used_by": list(sizes.values()),
    }  # fmt: skip


def as_of_day(clinic: ClinicEntry | None) -> date:
    """The day that a clinic's mart stands for; the clinic's own today before it is built.

    Raises:
        NotThere: no clinic.
    """
    if clinic is None:
        raise NotThere("no such clinic")
    return clinic.as_of or clinic.today


async def _stored(grant: Grant) -> tuple[dict[str, Rule | None], Rule | None]:
    """The rules of the clinic's active segments; and that of the grant's, archived too."""
    rules, own = await repository.rules(grant)
    return {slug: readable(rule) for slug, rule in rules.items()}, readable(own)


def _reached(text: str) -> Reached:
    """Where a cursor goes on."""
    entered, _, left = text.partition(" ")
    return Reached(UUID(entered) if entered else None, UUID(left) if left else None)


def _written(after: Reached, shown: list[dict[str, Any]]) -> str:
    """Where the next page goes on: behind the last who were named, or as far as it was on a side of which none were."""
    last = {"entered": after.entered, "left": after.left}
    last |= {row["kind"]: row["patient_id"] for row in shown if row["patient_id"] is not None}
    return f"{last['entered'] or ''} {last['left'] or ''}"


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
