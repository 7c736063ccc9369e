"""What a measure is: where it comes from, what it takes, what it yields."""

from dataclasses import dataclass, field
from enum import StrEnum


class ValueType(StrEnum):
    """What a measure yields, and so which operators and constants fit it."""

    NUMBER = "number"
    TEXT = "text"
    DATE = "date"
    TEXT_SET = "text_set"


class FactTable(StrEnum):
    """What a measure is taken from: a table of the mart, by its name, or `plans`, made of the days of each plan."""

    PATIENTS = "raw_patients"
    APPOINTMENTS = "raw_appointments"
    FORMS = "raw_forms"
    ANSWERS = "raw_answers"
    ADHERENCE = "raw_adherence"
    PLANS = "plans"


# The day that places a fact in time.
DAY_COLUMN = {
    FactTable.APPOINTMENTS: "starts_on",
    FactTable.FORMS: "assigned_on",
    FactTable.ANSWERS: "answered_on",
    FactTable.ADHERENCE: "day",
    FactTable.PLANS: "starts_on",
}


@dataclass(frozen=True)
class Argument:
    """A parameter of a measure: `column` is what it restricts.

    `many` takes a list, of which any one fits; `options` are all values that there are, if they are known.
    """

    column: str
    required: bool = False
    many: bool = False
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measure:
    """One number, text, date or set per patient.

    `sql` is its aggregate over the rows that `{where}` admits, in the columns of its table; `{as_of}` is the as-of
    date and `{months}` the length of the window. A row counts up to the as-of date, or `ahead` from that date on;
    with one of `statuses`; with something in `value`. Over nothing a measure that `counts` is 0, any other unknown.
    """

    name: str
    meaning: str
    type: ValueType
    table: FactTable
    sql: str
    unit: str = ""
    needs_profile: bool = False
    counts: bool = False
    windowed: bool = False
    needs_window: bool = False
    ahead: bool = False
    day_column: str = ""
    statuses: tuple[str, ...] = ()
    value: str = ""
    arguments: dict[str, Argument] = field(default_factory=dict)

    @property
    def day(self) -> str:
        """The column that windows and the as-of date restrict; empty for measures of the patient."""
        return self.day_column or DAY_COLUMN.get(self.table, "")
