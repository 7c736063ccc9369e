"""Segments that name others: which come first, and which depend on the profile through another."""

import difflib
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from policies.segments.rule import InSegment, Rule, RuleError, join, leaves, needs_profile

DEEPEST_NAMING = 40


def named(rule: Rule) -> set[str]:
    """The slugs of the segments that a rule itself names."""
    return set(places(rule))


def in_order(segments: Mapping[str, Rule]) -> list[str]:
    """The slugs of a clinic's segments, those that others name before these.

    Raises:
        RuleError: a rule names a segment that is not there, or itself through others, or through more than 40.
            `place` is the place in that rule, the message names its segment.
    """
    return list(levels(segments))


def levels(segments: Mapping[str, Rule]) -> dict[str, int]:
    """Of each segment, in order, how many others lie below it: 0 if it names none, else one more than the highest.

    Raises:
        RuleError: as `in_order`.
    """
    names = {slug: named(segments[slug]) for slug in sorted(segments)}
    for slug, others in names.items():
        for other in sorted(others - names.keys()):
            raise RuleError(_missing(slug, other, segments), places(segments[slug])[other])
    found: dict[str, int] = {}
    for slug in _sorted(segments, names):
        found[slug] = 1 + max((found[other] for other in names[slug]), default=-1)
        if found[slug] > DEEPEST_NAMING:
            raise RuleError(f"segment '{slug}' names others through more than {DEEPEST_NAMING} segments")
    return found


def reached(slugs: Iterable[str], segments: Mapping[str, Rule]) -> set[str]:
    """The slugs of these segments and of all that they name, through others too; one that is not there is left out."""
    todo, found = set(slugs) & segments.keys(), set[str]()
    while todo:
        found |= todo
        todo = set[str]().union(*(named(segments[slug]) for slug in todo)) & segments.keys() - found
    return found


def profile_dependent(rule: Rule, others: Mapping[str, Rule]) -> bool:
    """Whether a revoked consent must take back the rule's members: it asks for the profile, or a segment it names does.

    `others` are the clinic's segments by slug; one that is not there is not followed.
    """
    return needs_profile(rule) or any(needs_profile(others[slug]) for slug in reached(named(rule), others))


def places(rule: Rule) -> dict[str, str]:
    """Slug to the first place in the rule that names it."""
    found: dict[str, str] = {}
    for place, leaf in leaves(rule):
        if isinstance(leaf, InSegment):
            found.setdefault(leaf.in_segment, join(place, "in_segment"))
    return found


def _sorted(segments: Mapping[str, Rule], names: Mapping[str, set[str]]) -> list[str]:
    try:
        # In an order of their own, sets would come in another one in each process: programs must not differ.
        return list(TopologicalSorter({slug: sorted(others) for slug, others in names.items()}).static_order())
    except CycleError as error:
        circle = error.args[1][::-1]
        first, second = circle[:2]
        said = f"segments may not name themselves, not even through others: {' → '.join(circle)}"
        raise RuleError(said, places(segments[first])[second]) from None


def _missing(slug: str, other: str, segments: Mapping[str, Rule]) -> str:
    near = difflib.get_close_matches(other, set(segments) - {slug}, n=1)
    return f"segment '{slug}' names '{other}', which is not there" + (f": did you mean '{near[0]}'?" if near else "")
