"""Any patients, any facts about them, any rules: what the properties of segments are tried with."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from operator import itemgetter
from typing import Any

from hypothesis import strategies as st

from policies.segments.catalogue import CATALOGUE, FactTable, Measure, ValueType
from policies.segments.condition import Condition
from policies.segments.operators import LISTS, OPERATORS
from policies.segments.reference import Patient, value_of
from tests.spec.segments.tables import Row, Spec, complete

Tables = Mapping[str, str | list[Row]]
PATIENTS = "abc"
# Around a leap day, a month's end and the turn of a year, where windows and birthdays differ most.
AS_OF = st.sampled_from([date(2024, 2, 29), date(2023, 2, 28), date(2024, 5, 31), date(2024, 1, 1)])
NAMES = st.sampled_from(["pain", "score"])
STATUSES = st.sampled_from(["booked", "arrived", "fulfilled", "cancelled", "noshow"])
FORM_STATUSES = st.sampled_from(["pending", "in_progress", "completed", "expired"])
# Of which some have no double of their own: their sums depend on the order. A mean of the least may be nearest to none.
TINY = [5e-324, -5e-324, 1.5e-323, 3e-308, 7e-30, 0.0123456789012345]
NUMBERS = st.integers(-4, 12).map(float) | st.sampled_from([0.5, 2.25, 0.1, 0.7, 1e14, 1e-9, *TINY])
MOSTLY_PAIN = st.sampled_from(["pain", "pain", "pain", "score"])
SETS = st.lists(NAMES, max_size=3, unique=True)
WINDOWS = st.sampled_from(["1d", "30d", "4w", "1mo", "3mo", "1y"])


# The first and the last day of each window, and the days beside them.
EDGES = sorted(
    {edge + beside for edge in (0, -1, -28, -29, -30, -31, -90, -91, -92, -365, -366) for beside in (-1, 0, 1)}
)


@cache
def near(as_of: date) -> st.SearchStrategy[date]:
    return (st.sampled_from(EDGES) | st.integers(-400, 40)).map(lambda days: as_of + timedelta(days=days))


@cache
def births(as_of: date) -> st.SearchStrategy[date | None]:
    years = st.integers(0, 100).map(lambda ago: as_of.year - ago)
    return st.none() | near(as_of) | years.map(lambda year: date(year, 2, 29 if year % 4 == 0 else 28))


# Facts are of a few days, so that many share one: here a day is a number, and a date once these are drawn.
DAYS = 4
DAY = st.integers(0, DAYS - 1)
DATES = {"registered_on", "starts_on", "assigned_on", "due_on", "completed_on", "answered_at", "day"}
SOMEONE = st.sampled_from(PATIENTS)
PATIENT = st.fixed_dictionaries({
    "registered_on": DAY, "sex": st.none() | NAMES, "blood_type": st.none() | st.sampled_from(["A+", "O-"]),
    "insurance_type": st.none() | NAMES, "chronic_conditions": st.none() | SETS, "allergies": st.none() | SETS,
})  # fmt: skip
APPOINTMENT = st.fixed_dictionaries({
    "patient": SOMEONE, "starts_on": DAY, "status": STATUSES, "service": NAMES,
    "modality": st.sampled_from(["video", "in_person"]),
})  # fmt: skip
FORM = st.fixed_dictionaries({
    "patient": SOMEONE, "template": NAMES, "status": FORM_STATUSES, "assigned_on": DAY, "due_on": st.none() | DAY,
    "completed_on": st.none() | DAY,
})  # fmt: skip
ANSWER = st.fixed_dictionaries({
    "patient": SOMEONE, "template": MOSTLY_PAIN, "question": NAMES, "answered_at": DAY, "noon": st.booleans(),
    "form": st.integers(0, 1), "number": st.none() | NUMBERS, "choice": st.none() | NAMES, "body": st.none() | NAMES,
    "day": st.none() | DAY,
})  # fmt: skip
ADHERENCE = st.fixed_dictionaries({
    "patient": SOMEONE, "plan": st.integers(0, 1), "day": DAY, "prescribed": st.integers(1, 4),
    "done": st.integers(0, 4),
})  # fmt: skip
TABLES = st.fixed_dictionaries({
    "raw_patients": st.tuples(*[PATIENT] * len(PATIENTS)),
    "raw_appointments": st.lists(APPOINTMENT, max_size=8),
    "raw_forms": st.lists(FORM, max_size=8),
    "raw_answers": st.lists(ANSWER, max_size=8),
    "raw_adherence": st.lists(ADHERENCE, max_size=8, unique_by=itemgetter("patient", "plan", "day")),
})  # fmt: skip


@st.composite
def tables(draw: st.DrawFn, as_of: date) -> dict[str, list[Row]]:
    """The rows of each table of the mart, near a day."""
    days = draw(st.lists(near(as_of), min_size=DAYS, max_size=DAYS, unique=True))
    found = {name: [_dated(row, days) for row in rows] for name, rows in draw(TABLES).items()}
    for letter, row in zip(PATIENTS, found["raw_patients"], strict=True):
        row |= {"patient": letter, "birth_date": draw(births(as_of))}
    for row in found["raw_adherence"]:
        row["done"] = min(row["done"], row["prescribed"])  # type: ignore[type-var]
    return found


def _dated(row: Row, days: list[date]) -> Row:
    dated: dict[str, Any] = {
        name: days[value] if name in DATES and value is not None else value  # type: ignore[call-overload]
        for name, value in row.items()
    }
    if "noon" in dated:
        dated["answered_at"] = datetime.combine(dated["answered_at"], time(12 * dated.pop("noon")), UTC)
    return dated


def patients(rows: Tables) -> list[Patient]:
    """The patients of some tables as the reference takes them."""
    known = {name: complete(name, given) for name, given in rows.items()}
    for answer in known["raw_answers"]:
        answer["answered_on"] = date.fromisoformat(str(answer["answered_on"]))
    return [
        Patient(
            row,
            {
                FactTable(name): [fact for fact in rows if fact["patient"] == row["patient"]]
                for name, rows in known.items()
            },
        )
        for row in known["raw_patients"]
    ]


def beside(value: Any) -> st.SearchStrategy[Any]:
    """Constants that a value of some patient is compared with: the value itself, or a little more or less."""
    if isinstance(value, bool | str):
        return st.just(value)
    if isinstance(value, date):
        return st.integers(-1, 1).map(lambda days: str(value + timedelta(days=days)))
    return (
        st.sampled_from(value or ["pain"])
        if isinstance(value, list)
        else st.sampled_from([value, value - 1, value + 1])
    )


def elsewhere(type_: ValueType, as_of: date) -> st.SearchStrategy[Any]:
    if type_ is ValueType.NUMBER:
        return NUMBERS
    return near(as_of).map(str) if type_ is ValueType.DATE else NAMES


@st.composite
def conditions(draw: st.DrawFn, as_of: date, known: list[Patient]) -> Row:
    measure = draw(st.sampled_from(list(CATALOGUE.values())))
    found: Row = {"measure": measure.name, "op": "is_known"}
    if measure.needs_window or (measure.windowed and draw(st.booleans())):
        found["window"] = draw(WINDOWS)
    for name, argument in measure.arguments.items():
        if argument.required:
            found[name] = draw(NAMES)
        elif draw(st.integers(0, 2)) == 0:
            text = st.sampled_from(argument.options) if argument.options else NAMES
            found[name] = draw(st.lists(text, min_size=1, max_size=2) if argument.many else text)
    asked = Condition.model_validate(found)
    values = [value for value in (value_of(asked, patient, as_of) for patient in known) if value is not None]
    one = elsewhere(measure.type, as_of) if not values else draw(st.sampled_from([beside(value) for value in values]))
    op = draw(st.sampled_from(sorted(OPERATORS[measure.type])))
    if op.startswith("is_"):
        return {**found, "op": op}
    many = st.lists(one, min_size=1, max_size=3)
    return {
        **found,
        "op": op,
        "value": draw(many if op in LISTS else st.tuples(one, one).map(list) if op == "between" else one),
    }


# A tree of which each leaf is still to be found.
TREES: st.SearchStrategy[Any] = st.recursive(
    st.none(),
    lambda inner: (
        st.fixed_dictionaries({"not": inner})
        | st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=3)})
        | st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=3)})
    ),
    max_leaves=5,
)


@st.composite
def rules(draw: st.DrawFn, as_of: date, known: list[Patient], named: Sequence[str] = ()) -> Row:
    """Rules, which may name some segments."""
    found: Row = _grown(draw(TREES), lambda: draw(_leaves(as_of, known, named)))
    return found


def _grown(tree: Any, leaf: Callable[[], Row]) -> Any:
    if tree is None:
        return leaf()
    if isinstance(tree, list):
        return [_grown(part, leaf) for part in tree]
    return {key: _grown(part, leaf) for key, part in tree.items()}


@st.composite
def _leaves(draw: st.DrawFn, as_of: date, known: list[Patient], named: Sequence[str]) -> Row:
    if named and draw(st.integers(0, 3)) == 0:
        return {"in_segment": draw(st.sampled_from(named))}
    return draw(conditions(as_of, known))


def census(as_of: date, known: list[Patient], window: str | None) -> list[Row]:
    """Of each measure, whether a patient has what one of these patients has."""
    return [
        _has(measure, known[number % len(known)], as_of, window) for number, measure in enumerate(CATALOGUE.values())
    ]


def _has(measure: Measure, patient: Patient, as_of: date, window: str | None) -> Row:
    asked: Row = {"measure": measure.name, "op": "is_known"}
    asked |= {name: {"form": "pain"}.get(name, "score") for name, given in measure.arguments.items() if given.required}
    if measure.windowed and (window or measure.needs_window):
        asked["window"] = window or "3mo"
    value = value_of(Condition.model_validate(asked), patient, as_of)
    if value is None or value == []:
        return asked
    op = "contains_all" if measure.type is ValueType.TEXT_SET else "="
    return {**asked, "op": op, "value": str(value) if measure.type is ValueType.DATE else value}


@st.composite
def cases(draw: st.DrawFn, most: int) -> tuple[Spec, list[Row]]:
    """Tables as of a day; rules `s0`, `s1` and so on, each of which may name any before it; and a census."""
    as_of = draw(AS_OF)
    rows = draw(tables(as_of))
    known = patients(rows)
    asked = [draw(rules(as_of, known, [f"s{lower}" for lower in range(number)])) for number in range(most)]
    return Spec(as_of, rows, []), asked + census(as_of, known, draw(st.none() | WINDOWS))
