"""One pass over each fact table of a mart: every measure that rules ask for, each distinct one computed once.

The parameters of the text: `$1` the as-of date, `$3` a jsonb array with every constant of the rules, `$4` the ids of
the patients if some are given. Nothing of a rule stands in the text but names from the catalogue.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from policies.segments.condition import Condition
from policies.segments.measure import FactTable
from policies.segments.windows import Window

AS_OF = "$1"
GIVEN = ["patient_id = any($4::uuid[])"]


@dataclass
class Constants:
    """The constants of the rules, as parameters; equal ones share one."""

    values: list[Any] = field(default_factory=list)
    _known: dict[str, int] = field(default_factory=dict)

    def _bind(self, value: Any) -> int:
        position = self._known.setdefault(json.dumps(value), len(self.values))
        if position == len(self.values):
            self.values.append(value)
        return position

    def scalar(self, value: Any, cast: str) -> str:
        """The text of one constant."""
        return f"($3 ->> {self._bind(value)})::{cast}"

    def array(self, values: Iterable[Any], cast: str) -> str:
        """The text of an array of constants, made once for all rows."""
        return f"array(select jsonb_array_elements_text($3 -> {self._bind(list(values))})::{cast})"


@dataclass(frozen=True)
class _Aggregate:
    """A measure's text, and what a row must be for it to count."""

    sql: str
    restrictions: tuple[str, ...]


@dataclass
class Passes:
    """What is asked of each fact table."""

    constants: Constants
    _asked: dict[FactTable, dict[_Aggregate, str]] = field(default_factory=dict)

    def column(self, condition: Condition) -> str:
        """A condition's measure, as a column of the joined passes; with what a patient without facts has."""
        measure = condition.definition
        if measure.table is FactTable.PATIENTS:
            return measure.sql.format(as_of=AS_OF)
        known = self._asked.setdefault(measure.table, {})
        aggregate = _Aggregate(_sql(condition, self.constants), tuple(_restrictions(condition, self.constants)))
        name = known.setdefault(aggregate, f"{measure.table.value}_{len(known)}")
        return f"coalesce({name}, 0)" if measure.counts else name

    def measures(self) -> int:
        """How many there are."""
        return sum(map(len, self._asked.values()))

    def text(self, only: list[str]) -> str:
        """The passes as common table expressions, each with its comma behind; over the rows that `only` admits."""
        return "".join(_pass(table, columns, only) for table, columns in self._asked.items())

    def joins(self) -> str:
        """The joins of the passes, behind the patients."""
        return "".join(f"\n    left join {table.value}_facts using (patient_id)" for table in self._asked)


def where(restrictions: list[str]) -> str:
    """A `where` of some restrictions, if there are any."""
    return "\n    where " + " and ".join(restrictions) if restrictions else ""


def _sql(condition: Condition, constants: Constants) -> str:
    """The aggregate, still without its restrictions."""
    sql = condition.definition.sql
    if condition.definition.needs_window and condition.window:
        length = Window.parse(condition.window).length_in_months
        return sql.replace("{months}", constants.scalar(length, "double precision"))
    return sql


def _restrictions(condition: Condition, constants: Constants) -> list[str]:
    measure = condition.definition
    found = [f"{measure.day} {'>=' if measure.ahead else '<='} {AS_OF}"]
    if measure.value:
        found.append(f"{measure.value} is not null")
    if measure.statuses:
        found.append(f"status in ({', '.join(map(repr, measure.statuses))})")
    if condition.window:
        found.append(f"{measure.day} > {_before(Window.parse(condition.window), constants)}")
    for name, argument in measure.arguments.items():
        given = condition.argument(name)
        if isinstance(given, list):
            found.append(f"{argument.column} = any({constants.array(given, 'text')})")
        elif given is not None:
            found.append(f"{argument.column} = {constants.scalar(given, 'text')}")
    return found


def _before(window: Window, constants: Constants) -> str:
    """The last day before the window."""
    if window.days:
        return f"({AS_OF} - {constants.scalar(window.days, 'integer')})"
    return f"({AS_OF} - make_interval(months => {constants.scalar(window.months, 'integer')}))::date"


def _pass(table: FactTable, columns: dict[_Aggregate, str], only: list[str]) -> str:
    """All aggregates of one table. What each of them asks of a row is asked once: other rows are not even grouped."""
    shared = [asked for asked in next(iter(columns)).restrictions if all(asked in one.restrictions for one in columns)]
    listed = []
    for aggregate, name in columns.items():
        own = [asked for asked in aggregate.restrictions if asked not in shared]
        text = aggregate.sql.format(as_of=AS_OF, where=" and ".join(own) or "true")
        listed.append(f"{text} as {name}")
    source = _PLANS.format(as_of=AS_OF, only=where(only)) if table is FactTable.PLANS else table.value
    rest = where(shared if table is FactTable.PLANS else [*only, *shared])
    return (
        f"{table.value}_facts as (\n    select patient_id,\n        "
        + ",\n        ".join(listed)
        + f"\n    from {source}{rest}\n    group by patient_id\n),\n"  # nosec B608: names from the catalogue
    )


# A plan, as the days of it say; all are there from the moment that the clinic prescribes it.
_PLANS = """(
    select patient_id, plan_id, min(day) as starts_on, sum(prescribed) as prescribed,
        coalesce(sum(done) filter (where day <= {as_of}), 0) as done
    from raw_adherence{only}
    group by patient_id, plan_id
    ) as plans"""
