"""The catalogue of measures: what a rule may ask about a patient.

One table, which the rule models, the compiler, the JSON Schema and the docs all read. A measure comes out of one
fact table of the clinic's mart in one pass; what its columns here mean, `Measure` says.
"""

from functools import partial
from typing import Any

from policies.segments.measure import Argument, FactTable, Measure, ValueType
from policies.segments.operators import OPERATORS

__all__ = ["CATALOGUE", "Argument", "FactTable", "Measure", "ValueType", "describe"]

NUMBER, TEXT, DATE, TEXT_SET = ValueType.NUMBER, ValueType.TEXT, ValueType.DATE, ValueType.TEXT_SET

_KIND = {"service": Argument("service", many=True), "modality": Argument("modality", many=True,
                                                                         options=("in_person", "video"))}  # fmt: skip
_STATUSES = ("booked", "arrived", "fulfilled", "cancelled", "noshow")
_APPOINTMENT = {"status": Argument("status", many=True, options=_STATUSES), **_KIND}
_ANSWER = {"form": Argument("template", required=True), "question": Argument("question", required=True)}
_OPEN = ("pending", "in_progress")
_SHARE = "share, 0 to 1"

_profile = partial(Measure, table=FactTable.PATIENTS, needs_profile=True)
_registration = partial(Measure, table=FactTable.PATIENTS)
_appointments = partial(Measure, table=FactTable.APPOINTMENTS, windowed=True, arguments=_KIND)
_attended = partial(_appointments, statuses=("fulfilled",))
_next = partial(_appointments, statuses=("booked",), windowed=False, ahead=True)
_forms = partial(
    Measure, type=NUMBER, table=FactTable.FORMS, sql="count(*) filter (where {where})", unit="forms",
    counts=True, windowed=True, arguments={"form": Argument("template")},
)  # fmt: skip
_answers = partial(Measure, table=FactTable.ANSWERS, windowed=True, arguments=_ANSWER)
_numbers = partial(_answers, type=NUMBER, unit="as answered", value="number")
_choices = partial(_answers, value="choice")
_texts = partial(_answers, type=TEXT, value="body")
_dates = partial(_answers, type=DATE, value="day")
_adherence = partial(Measure, type=NUMBER, table=FactTable.ADHERENCE, windowed=True)


def _latest(column: str) -> str:
    return f"(array_agg({column} order by answered_at desc, answer_id desc) filter (where {{where}}))[1]"


def _first(column: str) -> str:
    return f"(array_agg({column} order by answered_at, answer_id) filter (where {{where}}))[1]"


# Exact, of numbers as they are written: doubles would add up to another sum in another order of the rows, and the
# mean of 0.7, 0.1 and 0.1 would be less than 0.3. The zero brings the digits that a quotient is given: so many that it
# is nearest to the same double as the mean itself. Of few decimals 80 do, of any double's 600. What is nearest to zero,
# up to half of the least double, PostgreSQL would refuse to make one of.
_SUM, _COUNT = (f"{aggregate} filter (where {{where}})" for aggregate in ("sum(number::numeric)", "count(number)"))
_MEAN = (
    f"(case when scale({_SUM}) <= 20 then (({_SUM} + 0e-80) / {_COUNT})::double precision"
    f" when abs({_SUM}) <= {_COUNT} * 2.47032822920623272088284396434110686183e-324 then 0"
    f" else (({_SUM} + 0e-600) / {_COUNT})::double precision end)"
)

# Both arrays are aggregates of the pass around this query.
_BY_FORM = "order by answered_at desc, form_id desc) filter (where {where})"
_LATEST_CHOICES = (
    "(select array_agg(distinct chosen.choice) from (select choice, form_id, first_value(form_id) over (order by place)"
    f" as newest from unnest(array_agg(choice {_BY_FORM}, array_agg(form_id {_BY_FORM})"
    " with ordinality as option (choice, form_id, place)) as chosen where chosen.form_id = chosen.newest)"  # nosec B608 # constants
)

CATALOGUE: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        _profile(
            "age", "Age in completed years.", NUMBER, unit="years",
            # Of timestamps without a zone: of dates, age looks both up in the session's zone first.
            sql="(case when birth_date <= {as_of}"
            " then date_part('year', age({as_of}::timestamp, birth_date::timestamp))::integer end)",
        ),
        _profile("sex", "Sex as the person states it.", TEXT, sql="sex"),
        _profile("blood_type", "Blood type.", TEXT, sql="blood_type"),
        _profile("insurance_type", "Type of insurance.", TEXT, sql="insurance_type"),
        _profile("chronic_conditions", "Chronic conditions.", TEXT_SET, sql="chronic_conditions"),
        _profile("allergies", "Allergies.", TEXT_SET, sql="allergies"),
        _registration(
            "registration.since", "Day of registration at the clinic; unknown before it.", DATE,
            sql="(case when registered_on <= {as_of} then registered_on end)",
        ),
        _registration(
            "registration.days", "Days since the patient registered at the clinic.", NUMBER, unit="days",
            sql="(case when registered_on <= {as_of} then {as_of} - registered_on end)",
        ),
        _appointments(
            "appointments.count", "Number of appointments.", NUMBER,
            sql="count(*) filter (where {where})", unit="appointments", counts=True, arguments=_APPOINTMENT,
        ),
        _attended(
            "appointments.per_month", "Attended appointments in a month, on average over the window.", NUMBER,
            sql="(count(*) filter (where {where}))::double precision / {months}", unit="appointments a month",
            counts=True, needs_window=True,
        ),
        _appointments(
            "appointments.noshow_count", "Number of appointments the patient missed.", NUMBER,
            sql="count(*) filter (where {where})", unit="appointments", counts=True, statuses=("noshow",),
        ),
        _appointments(
            "appointments.noshow_rate", "Missed appointments, of those attended or missed.", NUMBER, unit=_SHARE,
            sql="(count(*) filter (where {where} and status = 'noshow'))::double precision"
            " / nullif(count(*) filter (where {where}), 0)", statuses=("noshow", "fulfilled"),
        ),
        _attended(
            "appointments.first_on", "Day of the first attended appointment.", DATE,
            sql="min(starts_on) filter (where {where})",
        ),
        _attended(
            "appointments.last_on", "Day of the latest attended appointment.", DATE,
            sql="max(starts_on) filter (where {where})",
        ),
        _attended(
            "appointments.days_since_last", "Days since the latest attended appointment.", NUMBER, unit="days",
            sql="{as_of} - max(starts_on) filter (where {where})",
        ),
        _next(
            "appointments.next_on", "Day of the next appointment: booked for the as-of date or later.", DATE,
            sql="min(starts_on) filter (where {where})",
        ),
        _next(
            "appointments.days_until_next", "Days until the next appointment; 0 on its day.", NUMBER, unit="days",
            sql="min(starts_on) filter (where {where}) - {as_of}",
        ),
        _forms(
            "forms.completed", "Number of forms completed.", day_column="completed_on", statuses=("completed",)
        ),
        _forms("forms.pending", "Number of open forms: pending or in progress.", statuses=_OPEN),
        _forms(
            "forms.overdue", "Number of open forms past their due day.", statuses=_OPEN,
            sql="count(*) filter (where {where} and due_on < {as_of})",
        ),
        _forms("forms.expired", "Number of forms that were not completed while they could be.", statuses=("expired",)),
        _answers(
            "answers.count", "How many forms the question was answered in, with whatever kind of answer.", NUMBER,
            sql="count(distinct form_id) filter (where {where})", unit="forms", counts=True,
        ),
        _answers(
            "answers.days_since_last", "Days since the question was last answered.", NUMBER, unit="days",
            sql="{as_of} - max(answered_on) filter (where {where})",
        ),
        _numbers(
            "answers.latest", "The latest numeric answer; of one instant, the highest id.", sql=_latest("number")
        ),
        _numbers("answers.first", "The first numeric answer; of one instant, the lowest id.", sql=_first("number")),
        _numbers("answers.min", "The lowest numeric answer.", sql="min(number) filter (where {where})"),
        _numbers("answers.max", "The highest numeric answer.", sql="max(number) filter (where {where})"),
        _numbers("answers.mean", "The mean of the numeric answers.", sql=_MEAN),
        _choices(
            "answers.latest_choice", "The option chosen latest; of one instant, the highest id.", TEXT,
            sql=_latest("choice"),
        ),
        _choices(
            "answers.first_choice", "The option chosen first; of one instant, the lowest id.", TEXT,
            sql=_first("choice"),
        ),
        _choices(
            "answers.latest_choices", "All options chosen in the latest form; of one instant, the highest id.",
            TEXT_SET, sql=_LATEST_CHOICES,
        ),
        _choices(
            "answers.choices", "All options ever chosen.", TEXT_SET,
            sql="array_agg(distinct choice) filter (where {where})",
        ),
        _texts(
            "answers.latest_text", "The latest answer in words; of one instant, the highest id.", sql=_latest("body")
        ),
        _texts("answers.first_text", "The first answer in words; of one instant, the lowest id.", sql=_first("body")),
        _dates(
            "answers.latest_date", "The latest answer that is a date; of one instant, the highest id.",
            sql=_latest("day"),
        ),
        _dates(
            "answers.first_date", "The first answer that is a date; of one instant, the lowest id.", sql=_first("day"),
        ),
        _dates("answers.min_date", "The earliest date answered.", sql="min(day) filter (where {where})"),
        _dates("answers.max_date", "The last date answered.", sql="max(day) filter (where {where})"),
        _adherence(
            "adherence.completion_rate", "Exercises done, of those prescribed.", unit=_SHARE,
            sql="(sum(done) filter (where {where}))::double precision"
            " / nullif(sum(prescribed) filter (where {where}), 0)",
        ),
        _adherence(
            "adherence.days_since_last", "Days since the patient last did an exercise.", unit="days",
            sql="{as_of} - max(day) filter (where {where} and done > 0)",
        ),
        _adherence(
            "adherence.plan_progress", "Of the plan begun last (on one day, the highest id): exercises done, of all"
            " that it prescribes, days to come included.", table=FactTable.PLANS, windowed=False, unit=_SHARE,
            sql="(array_agg(done::double precision / nullif(prescribed, 0) order by starts_on desc, plan_id desc)"
            " filter (where {where}))[1]",
        ),
    )
}  # fmt: skip


def describe() -> list[dict[str, Any]]:
    """The catalogue as data, for whoever builds rules: each measure with what it takes and which operators fit.

    `window` is 'no', 'optional' or 'required'; `options` of an argument are empty where any text will do.
    """
    return [
        {
            "name": measure.name,
            "meaning": measure.meaning,
            "type": measure.type.value,
            "unit": measure.unit,
            "needs_profile": measure.needs_profile,
            "operators": sorted(OPERATORS[measure.type]),
            "window": "required" if measure.needs_window else "optional" if measure.windowed else "no",
            "arguments": [
                {"name": name, "required": given.required, "many": given.many, "options": list(given.options)}
                for name, given in measure.arguments.items()
            ],
        }
        for measure in CATALOGUE.values()
    ]
