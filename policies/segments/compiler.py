"""Compiles all active segments of one clinic into one statement.

Measures come out of one pass per fact table, each distinct one computed once; then the boolean
trees are evaluated over the joined row. Cost grows with distinct measures, not with segments.

The statement's parameters: `$1` the as-of date, `$2` the instant of the run, `$3` a jsonb array
with every constant of the rules. Nothing of a rule stands in the text but names from the
catalogue. It runs with `search_path` set to the clinic's schema and returns one row: entered, left.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from policies.segments.catalogue import FactTable, Measure, ValueType
from policies.segments.condition import LISTS, Condition
from policies.segments.rule import AllOf, Not, Rule, RuleError
from policies.segments.windows import Window

COMPILER_VERSION = 1
MOST_MEASURES = 1000
AS_OF = "$1"
_CAST = {ValueType.NUMBER: "double precision", ValueType.DATE: "date", ValueType.TEXT: "text"}


@dataclass(frozen=True)
class ActiveSegment:
    """A segment whose members are to be kept."""

    segment_id: UUID
    version: int
    rule: Rule


@dataclass(frozen=True)
class Program:
    """A clinic's compiled segments; equal fingerprints mean equal statements and parameters."""

    statement: str
    parameters: list[Any]
    fingerprint: str


@dataclass
class _Build:
    parameters: list[Any] = field(default_factory=list)
    # Per fact table: the aggregate's text -> its column.
    measures: dict[FactTable, dict[str, str]] = field(default_factory=dict)

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

    def column(self, measure: Measure, text: str) -> str:
        """Name of a measure's column, with what a missing row of the fact table means."""
        known = self.measures.setdefault(measure.table, {})
        name = known.setdefault(text, f"{measure.table.value}_{len(known)}")
        return f"coalesce({name}, 0)" if measure.counts else name


def compile_program(segments: list[ActiveSegment]) -> Program:
    """Compile a clinic's active segments into one statement that brings their members up to date.

    Raises:
        RuleError: the segments together ask for more measures than a row of PostgreSQL has columns.
    """
    build = _Build()
    ordered = sorted(segments, key=lambda segment: segment.segment_id)
    trees = [_tree(segment.rule, build) for segment in ordered]
    if sum(map(len, build.measures.values())) > MOST_MEASURES:
        raise RuleError(f"the clinic's segments use more than {MOST_MEASURES} different measures")
    listed = [
        f"({build.scalar(str(s.segment_id), 'uuid')}, {build.scalar(s.version, 'integer')}, {tree})"
        for s, tree in zip(ordered, trees, strict=True)
    ]
    text = _reconcile(_fact_tables(build), _joins(build), ",\n        ".join(listed) or _NO_SEGMENTS)
    digest = hashlib.sha256(json.dumps([COMPILER_VERSION, text, build.parameters]).encode()).hexdigest()
    return Program(text, build.parameters, digest)


_NO_SEGMENTS = "(null::uuid, null::integer, false)"


def _tree(rule: Rule, build: _Build) -> str:
    if isinstance(rule, Condition):
        return _condition(rule, build)
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
    where = " and ".join(_restrictions(condition, build))
    return build.column(measure, measure.sql.format(as_of=AS_OF, where=where))


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


def _fact_tables(build: _Build) -> str:
    passes = []
    for table, columns in build.measures.items():
        listed = ",\n        ".join(f"{text} as {name}" for text, name in columns.items())
        passes.append(
            f"{table.value}_facts as (\n    select patient_id,\n        {listed}\n"
            f"    from {table.value}\n    group by patient_id\n),\n"  # nosec B608: names from the catalogue
        )
    return "".join(passes)


def _joins(build: _Build) -> str:
    return "".join(f"\n    left join {table.value}_facts using (patient_id)" for table in build.measures)


def _reconcile(passes: str, joins: str, listed: str) -> str:
    """Data-modifying CTEs and no MERGE: that form gives its changes back and also runs on Citus."""
    return f"""with {passes}held as materialized (
    select raw_patients.patient_id, verdict.segment_id, verdict.version
    from raw_patients{joins}
    cross join lateral (values
        {listed}
    ) as verdict (segment_id, version, holds)
    where verdict.holds
),
entered as (
    insert into segment_member (segment_id, patient_id, entered_at, version, entered_by)
    select held.segment_id, held.patient_id, $2, held.version, 'data'
    from held
    where not exists (
        select from segment_member as known
        where known.segment_id = held.segment_id and known.patient_id = held.patient_id
            and known.left_at is null
    )
    returning segment_id
),
gone as (
    update segment_member as known set left_at = greatest($2, known.entered_at), left_by = 'data'
    where known.left_at is null and not exists (
        select from held
        where held.segment_id = known.segment_id and held.patient_id = known.patient_id
    )
    returning known.segment_id
)
select (select count(*) from entered) as entered, (select count(*) from gone) as left
"""  # nosec B608: names from the catalogue only
