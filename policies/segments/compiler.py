"""Compiles all segments of one clinic into one pass over its marts: who is in which.

Measures come out of one pass per fact table, each distinct one computed once; then the boolean
trees are evaluated over the joined row. Cost grows with distinct measures, not with segments.
Plans are a table of their own, made of the days of adherence: who asks for both reads these twice.

Parameters of the text: `$1` the as-of date, `$3` a jsonb array with every constant of the rules
(`$2` is left to whoever wraps it). Nothing of a rule stands in the text but names from the catalogue.
It runs with `search_path` set to the clinic's schema. For given patients only, `$4` is their ids.

A segment that others name is worked out once for each patient, in a layer below theirs. A fence keeps PostgreSQL from
putting its expression into theirs, which doubles with each layer where a segment names two.
"""

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID

from policies.segments.condition import Condition
from policies.segments.flip_days import DEEPEST_EXACT, flip_of, flip_of_parts, soonest
from policies.segments.measure import ValueType
from policies.segments.operators import LISTS
from policies.segments.passes import FENCE, GIVEN, Constants, Passes
from policies.segments.references import levels, named
from policies.segments.rule import AllOf, InSegment, Not, Rule, RuleError

MOST_MEASURES = 1000
# Of one layer: each takes two columns, of which PostgreSQL selects at most 1,664.
MOST_NAMED = 800
_CAST = {ValueType.NUMBER: "double precision", ValueType.DATE: "date", ValueType.TEXT: "text"}


@dataclass(frozen=True)
class ActiveSegment:
    """A segment whose members are to be kept; other rules name it by its slug."""

    segment_id: UUID
    version: int
    rule: Rule
    slug: str


@dataclass(frozen=True)
class Verdicts:
    """The text of a clinic's verdicts, to be put into a statement.

    `passes` are common table expressions, each with its comma behind; `source` is what follows `from`: a row
    for each patient and segment with `raw_patients.patient_id` and `verdict.segment_id`, `verdict.version` and
    `verdict.holds`, which is null where the segment is undecided.
    """

    passes: str
    source: str
    parameters: list[Any]


@dataclass(frozen=True)
class Told:
    """The same as a row for each patient: most are in no segment, or in few.

    `told` selects `patient_id`, `holds` with a verdict for each segment in the order of their slugs, and, if they were
    asked for, `flips_on`: the first day after the as-of date on which time alone could change one of these, null if
    there is none.
    """

    passes: str
    told: str
    parameters: list[Any]


@dataclass(frozen=True, eq=False)
class Itself:
    """A rule as the key of a cache: to compare two of them takes as long as to compile them."""

    rule: Rule

    def __hash__(self) -> int:
        return id(self.rule)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Itself) and self.rule is other.rule


Rules = tuple[tuple[str, Itself], ...]


@dataclass
class _Build:
    flipping: bool = False
    constants: Constants = field(default_factory=Constants)
    passes: Passes = field(init=False)
    # Of each segment that another names: its column, the day on which it could change, and the layer they are in.
    verdicts: dict[str, str] = field(default_factory=dict)
    flips: dict[str, str] = field(default_factory=dict)
    layers: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.passes = Passes(self.constants)


def compile_verdicts(segments: list[ActiveSegment], *, given: bool = False) -> Verdicts:
    """Compile a clinic's segments together.

    Args:
        segments: all that they name among them.
        given: for the patients of `$4`, an array of ids, alone.

    Raises:
        RuleError: the segments together ask for more measures, or name more others, than a row of PostgreSQL has
            columns, or one names another that is not there, or itself.
    """
    build, only, ordered = _Build(), GIVEN if given else [], _ordered(segments)
    holds = _holds({segment.slug: segment.rule for segment in ordered}, build)
    source = _patients(build, only) + _verdicts(ordered, holds, build)
    return Verdicts(build.passes.text(only), source, build.constants.values)


def compile_told(
    segments: list[ActiveSegment], *, given: bool = False, flips: bool = True, middle: UUID | None = None
) -> Told:
    """Compile a clinic's segments together, for whoever keeps their members.

    With a patient in the `middle` it is one text, of everybody in two halves, without passes before it, and without the
    patients of whom nothing is to be kept.

    Raises:
        RuleError: as `compile_verdicts`.
    """
    return _told(rules_of(segments), given=given, flips=flips, middle=middle)


def rules_of(segments: list[ActiveSegment]) -> Rules:
    """The rules of segments by slug, in the order of the slugs: equal where clinics share them, whatever their ids."""
    return tuple((segment.slug, Itself(segment.rule)) for segment in _ordered(segments))


# Clinics share rules, and a clinic is asked for the same ones again.
@lru_cache(maxsize=256)
def _told(rules: Rules, *, given: bool, flips: bool, middle: UUID | None) -> Told:
    build, only = _Build(flips), GIVEN if given else []
    segments = {slug: itself.rule for slug, itself in rules}
    holds = _holds(segments, build)
    days = [build.flips.get(slug) or _flip(rule, build) for slug, rule in segments.items()] if flips else []
    # Infinity is never: nothing that is kept.
    flips_on = f", nullif({soonest(days) or 'null::date'}, date 'infinity') as flips_on" if flips else ""
    told = f"select raw_patients.patient_id, {holds} as holds{flips_on} from "  # nosec B608 # the catalogue's
    if middle:
        some = "true = any(holds)" + (" or flips_on is not null" if flips else "")
        return Told("", _united(told, build, middle, some), build.constants.values)
    return Told(build.passes.text(only), told + _patients(build, only), build.constants.values)


def _united(told: str, build: _Build, middle: UUID, some: str) -> str:
    """Both halves of the patients, each by passes of its own: branches that PostgreSQL can give a process each."""
    bound = build.constants.scalar(str(middle), "uuid")
    halves = ([f"patient_id {side} {bound}"] for side in ("<=", ">"))
    texts = (f"{_with(build.passes.text(half))}{told}{_patients(build, half)} {FENCE}" for half in halves)
    parts = (f"select * from ({text}) as half where {some}" for text in texts)  # nosec B608 # the catalogue's
    return " union all ".join(parts)


def _with(passes: str) -> str:
    return f"with {passes.rstrip().removesuffix(',')}\n" if passes else ""


def _ordered(segments: list[ActiveSegment]) -> list[ActiveSegment]:
    return sorted(segments, key=lambda segment: segment.slug)


def _holds(rules: dict[str, Rule], build: _Build) -> str:
    """The array of all verdicts on a patient."""
    _layer(rules, build)
    trees = [build.verdicts.get(slug) or _tree(rule, build) for slug, rule in rules.items()]
    if build.passes.measures() > MOST_MEASURES:
        raise RuleError(f"the clinic's segments use more than {MOST_MEASURES} different measures")
    return "array[\n        " + ",\n        ".join(trees) + "\n    ]::boolean[]"


def _layer(rules: dict[str, Rule], build: _Build) -> None:
    """Give each segment that another names a column of its own."""
    found = levels(rules)
    asked = set[str]().union(*map(named, rules.values()))
    if max(Counter(found[slug] for slug in asked).values(), default=0) > MOST_NAMED:
        raise RuleError(f"more than {MOST_NAMED} of the clinic's segments on one level are named by others")
    for slug in [slug for slug in found if slug in asked]:
        while len(build.layers) <= found[slug]:
            build.layers.append([])
        tree = _tree(rules[slug], build)
        build.verdicts[slug] = f"verdict_{len(build.verdicts)}"
        build.layers[found[slug]].append(f"{tree} as {build.verdicts[slug]}")
        if build.flipping:
            build.flips[slug] = f"flip_{len(build.flips)}"
            build.layers[found[slug]].append(f"{_flip(rules[slug], build) or 'null::date'} as {build.flips[slug]}")


def _patients(build: _Build, only: list[str]) -> str:
    """Each patient with all measures, and the verdicts of the segments that others name."""
    return build.passes.joined(only) + "".join(
        f"\n    cross join lateral (select {', '.join(layer)} {FENCE}) as layer_{level}"
        for level, layer in enumerate(build.layers)
        if layer
    )


def _verdicts(segments: list[ActiveSegment], holds: str, build: _Build) -> str:
    """One array a patient and no `values` list: of such a one, PostgreSQL prepares the expressions for each patient."""
    ids = build.constants.array((str(segment.segment_id) for segment in segments), "uuid")
    versions = build.constants.array((segment.version for segment in segments), "integer")
    return f"\n    cross join lateral unnest({ids}, {versions}, {holds}) as verdict (segment_id, version, holds)"


def _tree(rule: Rule, build: _Build) -> str:
    if isinstance(rule, Condition):
        return _condition(rule, build)
    if isinstance(rule, InSegment):
        return build.verdicts[rule.in_segment]
    if isinstance(rule, Not):
        return f"(not {_tree(rule.part, build)})"
    parts, word = (rule.all, " and ") if isinstance(rule, AllOf) else (rule.any, " or ")
    return "(" + word.join(_tree(part, build) for part in parts) + ")"


def _flip(rule: Rule, build: _Build, depth: int = 1) -> str | None:
    """The day on which time alone could change what a rule says; None is never."""
    if isinstance(rule, Condition):
        return flip_of(rule, _condition(rule, build), build.passes)
    if isinstance(rule, InSegment):
        return build.flips[rule.in_segment]
    if isinstance(rule, Not):
        return _flip(rule.part, build, depth)
    parts = rule.all if isinstance(rule, AllOf) else rule.any
    flips = [_flip(part, build, depth + 1) for part in parts]
    if depth > DEEPEST_EXACT or not any(flips):
        return soonest(flips)
    return flip_of_parts(rule, [_tree(part, build) for part in parts], flips)


def _condition(condition: Condition, build: _Build) -> str:
    left = build.passes.column(condition)
    op, type_ = condition.op, condition.definition.type
    if op == "is_known":
        return f"({left} is not null)"
    if op == "is_unknown":
        return f"({left} is null)"
    constants = list(map(_text, condition.constants()))
    if type_ is ValueType.TEXT_SET:
        return _of_sets(op, left, build.constants.array(constants, "text"))
    cast = _CAST[type_]
    if op in LISTS:
        return f"({left} = any({build.constants.array(constants, cast)}))"
    bound = [build.constants.scalar(value, cast) for value in constants]
    if op == "between":
        return f"({left} between {bound[0]} and {bound[1]})"
    if op == "starts_with":
        return f"starts_with({left}, {bound[0]})"
    return f"({left} {'<>' if op == '!=' else op} {bound[0]})"


def _of_sets(op: str, left: str, values: str) -> str:
    return {
        "contains_any": f"({left} && {values})",
        "contains_all": f"({left} @> {values})",
        "contains_none": f"(not {left} && {values})",
    }[op]


def _text(value: object) -> str:
    return value if isinstance(value, str) else repr(value)
