"""Which of a clinic's segments can be evaluated: one whose rule is none, or fails, must not hold up the others."""

from collections.abc import Callable, Collection, Mapping
from uuid import UUID

from policies.segments.compiler import ActiveSegment, compile_told
from policies.segments.references import named, places, reached
from policies.segments.rule import Rule, RuleError, parse_rule


def compiling(segments: list[ActiveSegment]) -> list[ActiveSegment]:
    """As many as compile together: all but those that do not, and those that name such a one."""
    if _compile(segments):
        return segments
    kept: list[ActiveSegment] = []
    more = True
    while more:
        more = False
        for segment in segments:
            if segment not in kept and _compile([*kept, segment]):
                kept.append(segment)
                more = True
    return kept


def without(segments: list[ActiveSegment], broken: set[UUID]) -> list[ActiveSegment]:
    """All but these, and those that name such a one, through others too."""
    if not broken:
        return segments
    left_out, rules = {segment.slug for segment in segments if segment.segment_id in broken}, _rules(segments)
    return [segment for segment in segments if not reached([segment.slug], rules) & left_out]


def to_blame(segments: list[ActiveSegment], fails: Callable[[list[ActiveSegment]], bool]) -> list[ActiveSegment]:
    """Those by which an evaluation fails, found by halving; none that fails by what it names.

    `fails` says whether evaluating some segments, together with all that they name, does.
    """
    by_slug, rules = {segment.slug: segment for segment in segments}, _rules(segments)

    def failing(part: list[ActiveSegment]) -> set[str]:
        if not part or not fails([by_slug[slug] for slug in sorted(reached([one.slug for one in part], rules))]):
            return set()
        middle = len(part) // 2
        return failing(part[:middle]) | failing(part[middle:]) if middle else {part[0].slug}

    found = failing(segments)
    return [by_slug[slug] for slug in sorted(found) if not (reached([slug], rules) - {slug}) & found]


def readable(stored: object) -> Rule | None:
    """A rule as it is stored; None where it is none any more, such as one of a measure that is gone."""
    try:
        return parse_rule(stored)
    except RuleError:
        return None


def sound_rules(stored: Mapping[str, Rule | None], kept: Collection[str] = ()) -> dict[str, Rule]:
    """A clinic's rules by slug, but for those that are none and those that name such a one, through others too.

    Those to be `kept` are so whatever they name.
    """
    found = {slug: rule for slug, rule in stored.items() if rule is not None}
    while lost := [slug for slug, rule in found.items() if slug not in kept and named(rule) - found.keys()]:
        for slug in lost:
            del found[slug]
    return found


def beside(stored: Mapping[str, Rule | None], new: Collection[str]) -> dict[str, Rule]:
    """The rules that some new ones among them are evaluated with, themselves included.

    Raises:
        RuleError: a new one names one that is broken; `place` is the place in that rule.
    """
    sound = sound_rules(stored, new)
    for slug in sorted(new):
        for other, place in places(sound[slug]).items():
            if other in stored and other not in sound:
                said = "which is broken: its rule, or one that it names, is none any more"
                raise RuleError(f"segment '{slug}' names '{other}', {said}", place)
    return sound


def _rules(segments: list[ActiveSegment]) -> dict[str, Rule]:
    return {segment.slug: segment.rule for segment in segments}


def _compile(segments: list[ActiveSegment]) -> bool:
    try:
        compile_told(segments, flips=True)
    except RuleError:
        return False
    return True
