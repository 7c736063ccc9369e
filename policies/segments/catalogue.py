"""The catalogue of measures: what a rule may ask about a patient.

One table, which the rule models, the compiler and the docs all read. A measure comes out of one
fact table of the clinic's mart in one pass; `sql` is its aggregate over the rows that `{where}`
admits, in the table's own columns. A count over nothing is 0, anything else over nothing is
unknown.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class ValueType(StrEnum):
    """What a measure yields, and so which operators and constants fit it."""

    NUMBER = "number"
    TEXT = "text"
    DATE = "date"
    TEXT_SET = "text_set"


class FactTable(StrEnum):
    """The fact table a measure is taken from; the value is the table's name in the mart."""

    PATIENTS = "raw_patients"
    APPOINTMENTS = "raw_appointments"
    FORMS = "raw_forms"
    ANSWERS = "raw_answers"
    ADHERENCE = "raw_adherence"


@dataclass(frozen=True)
class Argument:
    """A parameter of a measure: `column` is what it restricts; of several values, any."""

    column: str
    required: bool = False


# The day that places a fact in time. Only facts up to the as-of date count.
DAY_COLUMN = {
    FactTable.APPOINTMENTS: "starts_on",
    FactTable.FORMS: "assigned_on",
    FactTable.ANSWERS: "answered_on",
    FactTable.ADHERENCE: "day",
}


@dataclass(frozen=True)
class Measure:
    """One number, text, date or set per patient."""

    name: str
    meaning: str
    type: ValueType
    table: FactTable
    sql: str
    unit: str = ""
    needs_profile: bool = False
    counts: bool = False
    windowed: bool = False
    day_column: str = ""
    arguments: dict[str, Argument] = field(default_factory=dict)

    @property
    def day(self) -> str:
        """The column that windows and the as-of date restrict; empty for measures of the patient."""
        return self.day_column or DAY_COLUMN.get(self.table, "")


_STATUS = Argument("status")
_SERVICE = Argument("service")
_MODALITY = Argument("modality")
_TEMPLATE = Argument("template")
_APPOINTMENT = {"status": _STATUS, "service": _SERVICE, "modality": _MODALITY}
_KIND = {"service": _SERVICE, "modality": _MODALITY}
_ANSWER = {"form": Argument("template", required=True), "question": Argument("question", required=True)}


def _profile(name: str, meaning: str, type_: ValueType, sql: str, unit: str = "") -> Measure:
    return Measure(name, meaning, type_, FactTable.PATIENTS, sql, unit, needs_profile=True)


def _appointments(name: str, meaning: str, type_: ValueType, sql: str, **more: object) -> Measure:
    settled: dict[str, object] = {"windowed": True, "arguments": _KIND, **more}
    return Measure(name, meaning, type_, FactTable.APPOINTMENTS, sql, **settled)  # type: ignore[arg-type]


def _answers(name: str, meaning: str, sql: str) -> Measure:
    return Measure(
        name, meaning, ValueType.NUMBER, FactTable.ANSWERS, sql, "as answered", windowed=True, arguments=_ANSWER
    )


def _forms(name: str, meaning: str, sql: str, **more: str) -> Measure:
    return Measure(
        name, meaning, ValueType.NUMBER, FactTable.FORMS, sql, "forms",
        counts=True, windowed=True, arguments={"form": _TEMPLATE}, **more,  # type: ignore[arg-type]
    )  # fmt: skip


_LATEST = (
    "(array_agg(number order by answered_at desc, answer_id desc) filter (where {where} and number is not null))[1]"
)
_FIRST = "(array_agg(number order by answered_at, answer_id) filter (where {where} and number is not null))[1]"

CATALOGUE: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        _profile(
            "age", "Age in completed years.", ValueType.NUMBER,
            "(case when birth_date <= {as_of} then extract(year from age({as_of}, birth_date))::integer end)", "years",
        ),
        _profile("sex", "Sex as the person states it.", ValueType.TEXT, "sex"),
        _profile("blood_type", "Blood type.", ValueType.TEXT, "blood_type"),
        _profile("insurance_type", "Type of insurance.", ValueType.TEXT, "insurance_type"),
        _profile("chronic_conditions", "Chronic conditions.", ValueType.TEXT_SET, "chronic_conditions"),
        _profile("allergies", "Allergies.", ValueType.TEXT_SET, "allergies"),
        Measure(
            "registration.days", "Days since the patient registered at the clinic.", ValueType.NUMBER,
            FactTable.PATIENTS, "(case when registered_on <= {as_of} then {as_of} - registered_on end)", "days",
        ),
        _appointments(
            "appointments.count", "Number of appointments.", ValueType.NUMBER,
            "count(*) filter (where {where})", unit="appointments", counts=True, arguments=_APPOINTMENT,
        ),
        _appointments(
            "appointments.noshow_count", "Number of appointments the patient missed.", ValueType.NUMBER,
            "count(*) filter (where {where} and status = 'noshow')", unit="appointments", counts=True,
        ),
        _appointments(
            "appointments.noshow_rate", "Missed appointments, of those attended or missed.", ValueType.NUMBER,
            "(count(*) filter (where {where} and status = 'noshow'))::double precision"
            " / nullif(count(*) filter (where {where} and status in ('noshow', 'fulfilled')), 0)",
            unit="share, 0 to 1",
        ),
        _appointments(
            "appointments.first_on", "Day of the first attended appointment.", ValueType.DATE,
            "min(starts_on) filter (where {where} and status = 'fulfilled')",
        ),
        _appointments(
            "appointments.last_on", "Day of the latest attended appointment.", ValueType.DATE,
            "max(starts_on) filter (where {where} and status = 'fulfilled')",
        ),
        _appointments(
            "appointments.days_since_last", "Days since the latest attended appointment.", ValueType.NUMBER,
            "{as_of} - max(starts_on) filter (where {where} and status = 'fulfilled')", unit="days",
        ),
        _forms(
            "forms.completed", "Number of forms completed.",
            "count(*) filter (where {where} and status = 'completed')", day_column="completed_on",
        ),
        _forms(
            "forms.pending", "Number of open forms: pending or in progress.",
            "count(*) filter (where {where} and status in ('pending', 'in_progress'))",
        ),
        _forms(
            "forms.overdue", "Number of open forms past their due day.",
            "count(*) filter (where {where} and status in ('pending', 'in_progress') and due_on < {as_of})",
        ),
        _answers("answers.latest", "The latest numeric answer; of one instant, the highest id.", _LATEST),
        _answers("answers.first", "The first numeric answer; of one instant, the lowest id.", _FIRST),
        _answers("answers.min", "The lowest numeric answer.", "min(number) filter (where {where})"),
        _answers("answers.max", "The highest numeric answer.", "max(number) filter (where {where})"),
        _answers("answers.mean", "The mean of the numeric answers.", "avg(number) filter (where {where})"),
        Measure(
            "adherence.completion_rate", "Exercises done, of those prescribed.", ValueType.NUMBER,
            FactTable.ADHERENCE,
            "(sum(done) filter (where {where}))::double precision / nullif(sum(prescribed) filter (where {where}), 0)",
            "share, 0 to 1", windowed=True,
        ),
        Measure(
            "adherence.days_since_last", "Days since the patient last did an exercise.", ValueType.NUMBER,
            FactTable.ADHERENCE, "{as_of} - max(day) filter (where {where} and done > 0)", "days", windowed=True,
        ),
    )
}  # fmt: skip
