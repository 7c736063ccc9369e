"""The first day after the as-of date on which time alone could change a verdict, as SQL over the compiler's row.

Never late, and early only where exactness would cost more than looking: a mean is looked at whenever a fact comes into
its window or leaves it, although it need not pass the constant then; a rate of exercises as soon as it could pass it;
a month's end on its last day besides. Null and infinity are never; what lies further ahead than a thousand years is not
looked for. `flips` says in Python on which days a verdict does change.

A condition changes as its value is counted on from day to day (an age, days since and until), as facts come in whose
day is still ahead, and as facts leave the window. `all` that is false stays so while any false part does, and `any`
that is true while any true part does: else an exercise a day would be a change a day, of whoever does them.
"""

from collections.abc import Sequence
from math import floor

from policies.segments.condition import Condition
from policies.segments.measure import FactTable
from policies.segments.operators import KNOWN
from policies.segments.passes import AS_OF, Constants, Passes, Which
from policies.segments.reference import COMPARISONS
from policies.segments.rule import AllOf, AnyOf
from policies.segments.windows import Window

MOST_YEARS, MOST_DAYS = 1000, 365_000
# What is said of a part stands twice in what is said of the whole: no deeper than this, or the text doubles on.
DEEPEST_EXACT = 3
_NEVER = "date 'infinity'"
# What the last of the facts says holds until that one leaves the window, though others leave before it.
_OF_LAST = {"last_on", "latest", "latest_choice", "latest_text", "latest_date"}
_ONE_SIDED = {"<", "<=", ">", ">="}
_PRESCRIBED_A_DAY = ("count(distinct plan_id)", "max(prescribed)")
# What a fact must be besides, for the value to know of it.
_TOLD = {"adherence.days_since_last": ("done > 0",), "forms.overdue": (f"due_on < {AS_OF}",)}


def flip_of(condition: Condition, holds: str, passes: Passes) -> str | None:
    """The day for one condition, whose verdict `holds` is the text of; None is never."""
    measure = condition.definition
    if measure.table is FactTable.PATIENTS:
        return _of_patient(condition, passes)
    if measure.ahead:
        return _of_next(condition, passes)
    if measure.counts:
        return _of_count(condition, holds, passes)
    if measure.name == "adherence.completion_rate" and condition.op in _ONE_SIDED:
        return _of_rate(condition, passes)
    if measure.unit == "days":
        return _of_days_since(condition, holds, passes)
    newest = measure.name.partition(".")[2] in _OF_LAST
    return passes.day(measure.table, _moves(condition, passes, "max" if newest else "min"))


def flip_of_parts(rule: AllOf | AnyOf, holds: Sequence[str], flips: Sequence[str | None]) -> str | None:
    """The day for `all` or `any`, by the texts of its parts' verdicts and their days; None is never."""
    first = soonest(flips)
    if first is None or len(flips) == 1:
        return first
    deciding = "not " if isinstance(rule, AllOf) else ""
    kept = [
        f"case when {deciding}{part} then {_NEVER if flip is None else f'coalesce({flip}, {_NEVER})'} end"
        for part, flip in zip(holds, flips, strict=True)
    ]
    return f"coalesce(greatest({', '.join(kept)}), {first})"


def soonest(days: Sequence[str | None]) -> str | None:
    """The first of some days; None is never."""
    found = list(dict.fromkeys(day for day in days if day is not None))
    return f"least({', '.join(found)})" if len(found) > 1 else found[0] if found else None


def _of_patient(condition: Condition, passes: Passes) -> str | None:
    if condition.measure == "age":
        value, turns = passes.column(condition), [turn for turn in turns_of(condition) if turn <= MOST_YEARS]
        birthdays = [
            f"when {value} < {passes.constants.scalar(turn, 'integer')}"
            f" then {_after_months('birth_date', 12 * turn, passes.constants)}"
            for turn in turns
        ]
        return f"case when birth_date > {AS_OF} then birth_date {' '.join(birthdays)} end"
    if condition.measure.startswith("registration."):
        return (
            f"case when registered_on > {AS_OF} then registered_on else {_counted_on(condition, passes) or 'null'} end"
        )
    return None


def _of_next(condition: Condition, passes: Passes) -> str:
    """What is next passes on the day after it; before that, the days until it are counted down."""
    value = passes.column(condition)
    if condition.definition.unit != "days":
        return f"{value} + 1"
    turns = [passes.constants.scalar(turn, "integer") for turn in reversed(turns_of(condition)) if turn <= MOST_DAYS]
    down = [f"when {value} >= {turn} then {AS_OF} + ({value} + 1 - {turn})" for turn in turns]
    return f"case {' '.join(down)} else {AS_OF} + {value} + 1 end" if down else f"{AS_OF} + {value} + 1"


def _of_count(condition: Condition, holds: str, passes: Passes) -> str | None:
    """A count that one number decides grows towards it as facts come in, and shrinks towards it as they leave."""
    turns, table = turns_of(condition), condition.definition.table
    if not turns:
        return None
    if len(turns) > 1:
        return passes.day(table, _moves(condition, passes, "min"))
    below = _as_at_zero(condition, holds)
    comes, leaves = _comes_in(condition, passes), _leaves(condition, passes, "max" if turns == [1] else "min")
    otherwise = f" else {passes.day(table, leaves)}" if leaves else ""
    return f"case when {below} then {passes.day(table, comes)}{otherwise} end"


def _of_days_since(condition: Condition, holds: str, passes: Passes) -> str | None:
    """A fact that comes in sets the days back to 0: who is on the side of 0 turns where they are counted on to."""
    table, leaves = condition.definition.table, _leaves(condition, passes, "max")
    comes = passes.day(table, _comes_in(condition, passes))
    turns = [turn for turn in turns_of(condition) if turn <= MOST_DAYS]
    again = f"{comes} + {passes.constants.scalar(turns[0], 'integer')}" if turns else "null"
    sets_back = f"case when {_as_at_zero(condition, holds)} then {again} else {comes} end"
    return soonest([sets_back, passes.day(table, leaves) if leaves else None, _counted_on(condition, passes)])


def _as_at_zero(condition: Condition, holds: str) -> str:
    """Whether the verdict is that on a value of 0; unknown if the value is."""
    if condition.op in KNOWN:
        return holds if condition.op == "is_known" else f"not {holds}"
    return holds if COMPARISONS[condition.op](0, condition.constants()) else f"not {holds}"


def _of_rate(condition: Condition, passes: Passes) -> str:
    """A rate that is far from the constant stays on its side for some days.

    In one day it moves by what all plans prescribe at most: a day of each leaves, and another comes in.
    """
    bound = passes.constants.scalar(condition.constants()[0], "double precision")
    done, prescribed = (passes.among(condition, f"sum({column})") for column in ("done", "prescribed"))
    plans, most = (passes.among(condition, of_all, which=Which.BOTH) for of_all in _PRESCRIBED_A_DAY)
    # At a month's end the days of up to four leave at once.
    at_once = 3 if condition.window and Window.parse(condition.window).months else 0
    days = f"ceil(abs({done} - {bound} * {prescribed}) / nullif({plans} * {most}, 0) - 1e-6) - {at_once}"
    crosses = f"{_moves(condition, passes, 'min')} + (least(greatest({days}, 1), {MOST_DAYS}) - 1)::integer"
    first = soonest([_leaves(condition, passes, "max"), crosses])
    return passes.day(condition.definition.table, first or _NEVER)


def _moves(condition: Condition, passes: Passes, which: str) -> str:
    """When a fact comes in, or the first or the last leaves."""
    return soonest([_comes_in(condition, passes), _leaves(condition, passes, which)]) or _NEVER


def _comes_in(condition: Condition, passes: Passes) -> str:
    """When the first fact comes in that the value does not know of yet."""
    measure = condition.definition
    first = f"min({measure.day})"
    if measure.name == "forms.overdue":
        due = passes.among(condition, "min(due_on)", f"due_on >= {AS_OF}")
        return f"least({passes.among(condition, first, which=Which.TO_COME)}, {due} + 1)"
    comes = passes.among(condition, first, *_TOLD.get(measure.name, ()), which=Which.TO_COME)
    if measure.table is FactTable.PLANS:
        return f"least({comes}, {passes.among(condition, 'min(done_next_on)')})"
    return comes


def _leaves(condition: Condition, passes: Passes, which: str) -> str | None:
    """When the first or the last of the facts that count leaves the window."""
    if not condition.window:
        return None
    measure, window = condition.definition, Window.parse(condition.window)
    day = passes.among(condition, f"{which}({measure.day})", *_TOLD.get(measure.name, ()))
    if window.days:
        return f"{day} + {passes.constants.scalar(window.days, 'integer')}"
    return _after_months(day, window.months, passes.constants)


def _counted_on(condition: Condition, passes: Passes) -> str | None:
    """When a number of days, which grows by one a day, comes to where the verdict turns."""
    value = passes.column(condition)
    turns = [passes.constants.scalar(turn, "integer") for turn in turns_of(condition) if turn <= MOST_DAYS]
    ahead = [f"when {value} < {turn} then {AS_OF} + ({turn} - {value})" for turn in turns]
    return f"case {' '.join(ahead)} end" if ahead else None


def turns_of(condition: Condition) -> list[int]:
    """The whole numbers, from 1 on, whose verdict is not that of the number before; of an average, how many facts."""
    if condition.op in KNOWN:
        return []
    compare, constants, months = COMPARISONS[condition.op], condition.constants(), 1.0
    if condition.definition.needs_window and condition.window:
        months = Window.parse(condition.window).length_in_months
    numbers = [constant for constant in constants if not isinstance(constant, str)]
    near = {floor(number * months) + beside for number in numbers for beside in (-1, 0, 1, 2)}
    return sorted(
        turn
        for turn in near
        if turn >= 1 and compare(turn / months, constants) is not compare((turn - 1) / months, constants)
    )


def _after_months(day: str, months: int, constants: Constants) -> str:
    """When so many whole months have passed since a day that they have not passed since yet.

    Where they end on the last of a month for want of a day, that is the day before: then it is looked at on both.
    """
    passed = f"({day} + make_interval(months => {constants.scalar(months, 'integer')}))::date"
    return f"case when {day} is not null then greatest({passed}, {AS_OF} + 1) end"
