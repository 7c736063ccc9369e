"""Compiles all segments of one clinic into one pass over its marts: who is in which.

Measures come out of one pass per fact table, each distinct one computed once; then the boolean
trees are evaluated over the joined row. Cost grows with distinct measures, not with segments.

Parameters of the text: `$1` the as-of date, `$3` a jsonb array with every constant of the rules
(`$2` is left to whoever wraps it). Nothing of a rule stands in the text but names from the catalogue.
It runs with `search_path` set to the clinic's schema. For given patients only, `$4` is their ids.

A segment that others name is worked out once for each patient, in a layer below theirs. `offset 0` keeps PostgreSQL
from putting its expression into theirs, which doubles with each layer where a segment names two.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from policies.segments.catalogue import FactTable, Measure, ValueType
from policies.segments.condition import LISTS, Condition
from policies.segments.references import levels, named
from policies.segments.rule import AllOf, InSegment, Not, Rule, RuleError
from policies.segments.windows import Window

MOST_MEASURES = 1000
AS_OF = "$1"
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
class _Aggregate:
    """A measure's text, and what a row must be for it to count."""

    sql: str
    restrictions: tuple[str, ...]


@dataclass
class _Build:
    parameters: list[Any] = field(default_factory=list)
    # Per fact table: the aggregate -> its column.
    measures: dict[FactTable, dict[_Aggregate, str]] = field(default_factory=dict)
    # Of each segment that another names: its column, and the layer that it is in.
    verdicts: dict[str, str] = field(default_factory=dict)
    layers: list[list[str]] = field(default_factory=list)

    def bind(self, value: Any) -> int:
        """Position of a constant among the parameters; equal constants share one."""
        for index, known in enumerate(self.parameters):
            if type(known) is type(value) and known == value:
                return index
        self.parameters.append(value)
        return len(self.parameters) - 1

    def scalar(self, value: Any, cast: str) -> str:
        return f"($3 ->> {self.bind(value)})::{cast}"

    def text_list(self, values: Iterable[str]) -> str:
        return f"array(select jsonb_array_elements_text($3 -> {self.bind(list(values))}))"

    def array(self, values: Iterable[Any], cast: str) -> str:
        return f"array(select jsonb_array_elements_text($3 -> {self.bind(list(values))})::{cast})"

    def column(self, measure: Measure, restrictions: Iterable[str]) -> str:
        """Name of a measure's column, with what a missing row of the fact table means."""
        known = self.measures.setdefault(measure.table, {})
        aggregate = _Aggregate(measure.sql, tuple(restrictions))
        name = known.setdefault(aggregate, f"{measure.table.value}_{len(known)}")
        return f"coalesce({name}, 0)" if measure.counts else name


def compile_verdicts(segments: list[ActiveSegment], *, given: bool = False) -> Verdicts:
    """Compile a clinic's segments together.

    Args:
        segments: all that they name among them.
        given: for the patients of `$4`, an array of ids, alone.

    Raises:
        RuleError: the segments together ask for more measures than a row of PostgreSQL has columns, or one names
            another that is not there, or itself.
    """
    build = _Build()
    ordered = sorted(segments, key=lambda segment: segment.segment_id)
    _layer({segment.slug: segment.rule for segment in ordered}, build)
    trees = [build.verdicts.get(segment.slug) or _tree(segment.rule, build) for segment in ordered]
    if sum(map(len, build.measures.values())) > MOST_MEASURES:
        raise RuleError(f"the clinic's segments use more than {MOST_MEASURES} different measures")
    ids = build.array((str(segment.segment_id) for segment in ordered), "uuid")
    versions = build.array((segment.version for segment in ordered), "integer")
    joined = ",\n        ".join(trees)
    only = ["patient_id = any($4::uuid[])"] if given else []
    listed = f"unnest({ids}, {versions}, array[\n        {joined}\n    ]::boolean[])"
    return Verdicts(_fact_tables(build, only), _source(build, listed, only), build.parameters)


def _layer(rules: dict[str, Rule], build: _Build) -> None:
    """Give each segment that another names a column of its own."""
    found = levels(rules)
    asked = set[str]().union(*map(named, rules.values()))
    for slug in [slug for slug in found if slug in asked]:
        while len(build.layers) <= found[slug]:
            build.layers.append([])
        tree = _tree(rules[slug], build)
        build.verdicts[slug] = f"verdict_{len(build.verdicts)}"
        build.layers[found[slug]].append(f"{tree} as {build.verdicts[slug]}")


def _tree(rule: Rule, build: _Build) -> str:
    if isinstance(rule, Condition):
        return _condition(rule, build)
    if isinstance(rule, InSegment):
        return build.verdicts[rule.in_segment]
    if isinstance(rule, Not):
        return f"(not {_tree(rule.part, build)})"
    parts, word = (rule.all, " and ") if isinstance(rule, AllOf) else (rule.any, " or ")
    return "(" + word.join(_tree(part, build) for part in parts) + ")"


def _condition(condition: Condition, build: _Build) -> str:
    left = _measure(condition, build)
    op, type_ = condition.op, condition.definition.type
    if op == "is_known":
        return f"({left} is not null)"
    if op == "is_unknown":
        return f"({left} is null)"
    constants = condition.constants()
    if type_ is ValueType.TEXT_SET:
        values = build.text_list(str(value) for value in constants)
        return {
            "contains_any": f"({left} && {values})",
            "contains_all": f"({left} @> {values})",
            "contains_none": f"(not {left} && {values})",
        }[op]
    cast = _CAST[type_]
    if op in LISTS:
        return f"({left} = any({build.text_list(map(_text, constants))}::{cast}[]))"
    bound = [build.scalar(_text(value), cast) for value in constants]
    if op == "between":
        return f"({left} between {bound[0]} and {bound[1]})"
    if op == "starts_with":
        return f"starts_with({left}, {bound[0]})"
    return f"({left} {'<>' if op == '!=' else op} {bound[0]})"


def _text(value: object) -> str:
    return value if isinstance(value, str) else repr(value)


def _measure(condition: Condition, build: _Build) -> str:
    measure = condition.definition
    if measure.table is FactTable.PATIENTS:
        return measure.sql.format(as_of=AS_OF)
    return build.column(measure, _restrictions(condition, build))


def _restrictions(condition: Condition, build: _Build) -> list[str]:
    measure = condition.definition
    found = [f"{measure.day} <= {AS_OF}"]
    if condition.window:
        found.append(f"{measure.day} > {_window_start(Window.parse(condition.window), build)}")
    for name, argument in measure.arguments.items():
        given = condition.argument(name)
        if isinstance(given, list):
            found.append(f"{argument.column} = any({build.text_list(given)})")
        elif given is not None:
            found.append(f"{argument.column} = {build.scalar(given, 'text')}")
    return found


def _window_start(window: Window, build: _Build) -> str:
    if window.days:
        return f"({AS_OF} - {build.scalar(window.days, 'integer')})"
    return f"({AS_OF} - make_interval(months => {build.scalar(window.months, 'integer')}))::date"


def _fact_tables(build: _Build, only: list[str]) -> str:
    return "".join(_pass(table, columns, only) for table, columns in build.measures.items())


def _pass(table: FactTable, columns: dict[_Aggregate, str], only: list[str]) -> str:
    """All aggregates of one table. What each of them asks of a row is asked once: other rows are not even grouped."""
    shared = [asked for asked in next(iter(columns)).restrictions if all(asked in one.restrictions for one in columns)]
    listed = []
    for aggregate, name in columns.items():
        own = [asked for asked in aggregate.restrictions if asked not in shared]
        text = aggregate.sql.format(as_of=AS_OF, where=" and ".join(own) or "true")
        listed.append(f"{text} as {name}")
    return (
        f"{table.value}_facts as (\n    select patient_id,\n        "
        + ",\n        ".join(listed)
        + f"\n    from {table.value}{_where([*only, *shared])}\n    group by patient_id\n),\n"  # nosec B608
    )


def _where(restrictions: list[str]) -> str:
    return "\n    where " + " and ".join(restrictions) if restrictions else ""


def _source(build: _Build, listed: str, only: list[str]) -> str:
    """`listed` is no `values` list: of such a one, PostgreSQL prepares the expressions anew for each patient."""
    patients = f"(select * from raw_patients{_where(only)}) as raw_patients" if only else "raw_patients"
    joins = "".join(f"\n    left join {table.value}_facts using (patient_id)" for table in build.measures)
    layers = "".join(
        f"\n    cross join lateral (select {', '.join(layer)} offset 0) as layer_{level}"
        for level, layer in enumerate(build.layers)
        if layer
    )
    return f"""{patients}{joins}{layers}
    cross join lateral {listed} as verdict (segment_id, version, holds)"""
