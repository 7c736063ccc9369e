"""Why a rule holds for a patient, or not, or is undecided: each part's verdict, and what it comes from.

An explanation is a tree like the rule. Every part has the course of its verdict, so that it says until when it
stays as it is; every condition has the measure's value and the rows that this value comes from. Segments that the
rule names are explained once, beside the rule.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import accumulate
from typing import Any

from policies.segments.condition import Condition
from policies.segments.flips import Course, course_of, looks, together
from policies.segments.reference import Patient, Verdict, value_of
from policies.segments.references import in_order
from policies.segments.rule import AllOf, AnyOf, InSegment, Not, Rule, RuleError, conditions
from policies.segments.sources import sources_of
from policies.segments.text import write
from policies.segments.values import Row

MOST_SOURCES = 20
# Some seconds: each row is looked at once a day on which a condition may change. Ten years of daily exercises in a
# window of ten years are 13 million.
MOST_LOOKS = 20_000_000


@dataclass(frozen=True)
class Finding:
    """What a condition's measure found: its value, the rows it comes from, and how many more there are."""

    value: Any
    sources: Sequence[Row]
    more: int = 0


@dataclass(frozen=True)
class Part:
    """A node of a rule with its course; a condition has a finding, unless only its verdict is known."""

    rule: Rule
    course: Course
    parts: tuple["Part", ...] = ()
    finding: Finding | None = None

    @property
    def holds(self) -> Verdict:
        """The verdict on the as-of date."""
        return self.course.holds


@dataclass(frozen=True)
class Explanation:
    """A rule explained, and each segment that it names, directly or not, by slug."""

    whole: Part
    named: Mapping[str, Part] = field(default_factory=dict)

    def open_conditions(self) -> list[Condition]:
        """The unknown conditions whose values, if they were known, could still change the verdict.

        Those that stand in unknown parts only: where a part is known, nothing in it makes a difference. Each
        condition counts as if it were independent of the others.
        """
        found: dict[str, Condition] = {}
        visited: set[str] = set()
        todo = [self.whole]
        while todo:
            part = todo.pop()
            if part.holds is not None:
                continue
            if isinstance(part.rule, Condition):
                found.setdefault(write(part.rule), part.rule)
            elif isinstance(part.rule, InSegment) and part.rule.in_segment not in visited:
                visited.add(part.rule.in_segment)
                todo.append(self.named[part.rule.in_segment])
            todo += reversed(part.parts)
        return list(found.values())


def explain(rule: Rule, patient: Patient, as_of: date, segments: Mapping[str, Rule] | None = None) -> Explanation:
    """Explain a rule for a patient as of a day; `segments` are the rules of those that it names, directly or not.

    Raises:
        RuleError: a segment that is named is not among them, or they name each other in a circle; or it takes too long.
    """
    others = segments or {}
    asked = {write(found): found for each in (rule, *others.values()) for found in conditions(each)}
    for looked in accumulate(looks(found, patient, as_of) for found in asked.values()):
        if looked > MOST_LOOKS:
            raise RuleError("it takes too long to explain")
    return explain_by(rule, others, lambda condition: _explained(condition, patient, as_of))


def explain_by(rule: Rule, segments: Mapping[str, Rule], of_condition: Callable[[Condition], Part]) -> Explanation:
    """Explain a rule whose conditions are explained by `of_condition`, which is asked once for equal ones.

    Raises:
        RuleError: as `explain`.
    """
    known: dict[str, Part] = {}
    named: dict[str, Part] = {}

    def part_of(found: Rule) -> Part:
        if isinstance(found, Condition):
            text = write(found)
            return known[text] if text in known else known.setdefault(text, of_condition(found))
        if isinstance(found, InSegment):
            return Part(found, named[found.in_segment].course)
        parts = tuple(map(part_of, _parts(found)))
        return Part(found, together([part.course for part in parts], _decision(found)), parts)

    for slug in in_order(segments):
        named[slug] = part_of(segments[slug])
    return Explanation(part_of(rule), named)


def _explained(condition: Condition, patient: Patient, as_of: date) -> Part:
    sources = sources_of(condition, patient, as_of)
    shown = sources[:MOST_SOURCES]
    finding = Finding(value_of(condition, patient, as_of), shown, len(sources) - len(shown))
    return Part(condition, course_of(condition, patient, as_of), finding=finding)


def _parts(rule: AllOf | AnyOf | Not) -> list[Rule]:
    return rule.all if isinstance(rule, AllOf) else rule.any if isinstance(rule, AnyOf) else [rule.part]


def _decision(rule: AllOf | AnyOf | Not) -> Callable[[Sequence[Verdict]], Verdict]:
    """How the verdicts of a rule's parts decide it, after Kleene as in `reference`."""
    if isinstance(rule, Not):
        return lambda verdicts: None if verdicts[0] is None else not verdicts[0]
    by = not isinstance(rule, AllOf)
    return lambda verdicts: by if by in verdicts else None if None in verdicts else not by
