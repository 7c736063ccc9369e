"""One pass over each fact table of a mart: every measure that rules ask for, each distinct one computed once.

The parameters of the text: `$1` the as-of date, `$3` a jsonb array with every constant of the rules, `$4` the ids of
the patients if some are given. Nothing of a rule stands in the text but names from the catalogue.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from policies.segments.condition import Condition
from policies.segments.measure import FactTable
from policies.segments.windows import Window

AS_OF = "$1"
# `offset 0` by another name: that one PostgreSQL converts, and what has such a conversion it runs in one process alone.
FENCE = "offset bigint '0'"
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


class Which(Enum):
    """Facts of a condition: those that count on the as-of date, those that will once their day is there, or both."""

    COUNTING = auto()
    TO_COME = auto()
    BOTH = auto()


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
    # All of a table's in one array: they are no measures, and a row has only so many columns.
    _days: dict[FactTable, dict[str, int]] = field(default_factory=dict)
    # What their facts must be.
    _admitted: dict[FactTable, list[tuple[str, ...]]] = field(default_factory=dict)

    def column(self, condition: Condition) -> str:
        """A condition's measure, as a column of the joined passes; with what a patient without facts has."""
        measure = condition.definition
        known = self._asked.setdefault(measure.table, {})
        if measure.table is FactTable.PATIENTS:
            return known.setdefault(_Aggregate(measure.sql, ()), f"{measure.table.value}_{len(known)}")
        aggregate = _Aggregate(_sql(condition, self.constants), tuple(_restrictions(condition, self.constants)))
        name = known.setdefault(aggregate, f"{measure.table.value}_{len(known)}")
        return f"coalesce({name}, 0)" if measure.counts else name

    def among(self, condition: Condition, aggregate: str, *restrictions: str, which: Which = Which.COUNTING) -> str:
        """The text of an aggregate such as `min(starts_on)` over a condition's facts, for `day`.

        Of the facts that `which` says only such as the other restrictions admit.
        """
        asked = _restrictions(condition, self.constants, which)
        self._admitted.setdefault(condition.definition.table, []).append(tuple(asked))
        # What is to come lies in every window that it will come into.
        told = asked[1:] if which is Which.TO_COME and condition.window else asked
        return f"{aggregate} filter (where {' and '.join([*told, *restrictions]) or 'true'})"

    def day(self, table: FactTable, text: str) -> str:
        """A day that is worked out in the pass over a table, as an item of it."""
        known = self._days.setdefault(table, {})
        return f"{table.value}_days[{known.setdefault(text, len(known) + 1)}]"

    def measures(self) -> int:
        """How many there are of facts."""
        return sum(len(columns) for _, columns in self._of_facts())

    def text(self, only: list[str]) -> str:
        """The passes as common table expressions, each with its comma behind; over the rows that `only` admits."""
        return "".join(self._pass(table, columns, only) for table, columns in self._of_facts())

    def joined(self, only: list[str]) -> str:
        """The patients, with their own measures, and the joins of the passes behind them.

        The fence keeps PostgreSQL from working an age out once for each time that it is asked for.
        """
        own = self._asked.get(FactTable.PATIENTS, {})
        columns = "".join(f", {measure.sql.format(as_of=AS_OF)} as {name}" for measure, name in own.items())
        rows = f"select *{columns} from raw_patients{where(only)}{_order(only)} {FENCE}"  # nosec B608 # names only
        patients = f"({rows}) as raw_patients"
        return patients + "".join(
            f"\n    left join {table.value}_facts using (patient_id)" for table, _ in self._of_facts()
        )

    def _of_facts(self) -> list[tuple[FactTable, dict[_Aggregate, str]]]:
        return [(table, columns) for table, columns in self._asked.items() if table is not FactTable.PATIENTS]

    def _pass(self, table: FactTable, columns: dict[_Aggregate, str], only: list[str]) -> str:
        """All aggregates of one table. What all ask of a row is asked once: other rows are not even grouped."""
        every = [*(column.restrictions for column in columns), *self._admitted.get(table, ())]
        shared = [asked for asked in every[0] if all(asked in one for one in every)]
        listed = [f"{_text(aggregate, shared)} as {name}" for aggregate, name in columns.items()]
        if days := self._days.get(table):
            listed.append(f"array[{', '.join(days)}] as {table.value}_days")
        source = _PLANS.format(as_of=AS_OF, only=where(only)) if table is FactTable.PLANS else table.value
        rest = where(shared if table is FactTable.PLANS else [*only, *shared])
        return (
            f"{table.value}_facts as (\n    select patient_id,\n        "
            + ",\n        ".join(listed)
            + f"\n    from {source}{rest}\n    group by patient_id{_order(only)}\n),\n"  # nosec B608 # the catalogue's
        )


def _order(only: list[str]) -> str:
    """Of everybody, or a half, all passes come in one order, to be merged: hashed, each row would be looked up anew.

    A table that was loaded in the order of its key is read along that key; of another one the groups are sorted.
    """
    return "" if only is GIVEN else " order by patient_id"


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


def _restrictions(condition: Condition, constants: Constants, which: Which = Which.COUNTING) -> list[str]:
    """The window first: most facts are older than that, and nothing more is asked of these."""
    measure = condition.definition
    found = [f"{measure.day} > {_before(Window.parse(condition.window), constants)}"] if condition.window else []
    if which is not Which.BOTH:
        found.append(f"{measure.day} {'>' if which is Which.TO_COME else '>=' if measure.ahead else '<='} {AS_OF}")
    if measure.value:
        found.append(f"{measure.value} is not null")
    if measure.statuses:
        found.append(f"status in ({', '.join(map(repr, measure.statuses))})")
    for name, argument in measure.arguments.items():
        given = condition.argument(name)
        if isinstance(given, list):
            found.append(f"{argument.column} = any({constants.array(given, 'text')})")
        elif given is not None:
            found.append(f"{argument.column} = {constants.scalar(given, 'text')}")
    return found


def _text(aggregate: _Aggregate, shared: list[str]) -> str:
    own = [asked for asked in aggregate.restrictions if asked not in shared]
    return aggregate.sql.format(as_of=AS_OF, where=" and ".join(own) or "true")


def _before(window: Window, constants: Constants) -> str:
    """The last day before the window."""
    if window.days:
        return f"({AS_OF} - {constants.scalar(window.days, 'integer')})"
    return f"({AS_OF} - make_interval(months => {constants.scalar(window.months, 'integer')}))::date"


# A plan, as the days of it say; all are there from the moment that the clinic prescribes it.
_PLANS = """(
    select patient_id, plan_id, min(day) as starts_on, sum(prescribed) as prescribed,
        coalesce(sum(done) filter (where day <= {as_of}), 0) as done,
        min(day) filter (where done > 0 and day > {as_of}) as done_next_on
    from raw_adherence{only}
    group by patient_id, plan_id
    ) as plans"""
