"""What is wrong with a form that was sent: each fault by its field, in words that are said beside it."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from api.pages.texts import N_, say
from infra.errors import InvalidInput, Misplaced

Asked = TypeVar("Asked", bound=BaseModel)
Faults = dict[str, str]

NO_GOOD = N_("This is not taken here.")
# A rule in words; a rule that is none of these is said as `NO_GOOD`.
RULES = {
    "missing": N_("This is needed."),
    "string_too_short": N_("This is needed."),
    "string_too_long": N_("This is too long."),
    "too_long": N_("This is too long."),
    "string_pattern_mismatch": N_("This is not in the form that is needed."),
    "date_from_datetime_parsing": N_("This is no day."),
    "date_parsing": N_("This is no day."),
    "no_day": N_("This is no day."),
    "datetime_from_date_parsing": N_("This is no time."),
    "in_the_future": N_("This is in the future."),
    "too_long_ago": N_("This is too long ago."),
    "past": N_("This is over."),
    "too_far_ahead": N_("This is too far ahead to be booked."),
    "double_booked": N_("Something else is booked for that time. Choose another."),
    "patient_double_booked": N_("The same person has another appointment then. Choose another time."),
    "unknown": N_("Choose one of these."),
    "not_offered": N_("The specialist does not offer this."),
    "not_offered_then": N_("The clinic offers no appointment then. Have its free times shown."),
    "closed": N_("This is not offered now."),
    "has_begun": N_("It has begun already."),
    "no_number": N_("This is no number."),
    "no_whole_number": N_("This is no whole number."),
    "not_finite": N_("This number is too large."),
    "sum_too_large": N_("This is too large a number to be added to other answers."),
    "too_small": N_("This is less than can be."),
    "too_large": N_("This is more than can be."),
    "no_option": N_("Choose one of these."),
    "no_list_of_options": N_("Choose at least one of these."),
    "no_text": N_("This is needed."),
    "too_early": N_("This is too early."),
    "too_late": N_("This is too late."),
    "no_code": N_("This code is not good, or not any more. A code is good once, and for seven days."),
    "of_age": N_("Adults agree themselves: ask them for a code."),
    "known_already": N_("A birth date that is known is changed by the clinic."),
    "reused": N_("This was sent already, with something else in it. Look whether it is there, or send this as well."),
    "changed_meanwhile": N_("Somebody changed this since you opened it. Look at what is there now."),
    "not_valid": N_("This is not in the form that is needed."),
}


def said(rule: str) -> str:
    """A rule in words."""
    return say(RULES.get(rule, NO_GOOD))


def read_as(kind: type[Asked], values: dict[str, Any]) -> tuple[Asked | None, Faults]:
    """What a form says as the API would take it, or the rule that each of its fields breaks.

    A form sends texts, so that the text of a number is one here.
    """
    try:
        return kind.model_validate(values, strict=False), {}
    except ValidationError as error:
        return None, {".".join(map(str, fault["loc"])): _rule(fault) for fault in reversed(error.errors())}


def _rule(fault: Any) -> str:
    """The rule that a field breaks: an empty one is missing, whatever it should have been."""
    return "missing" if fault["input"] == "" else str(fault["type"])


def of(error: Misplaced) -> Faults:
    """The fault that a service found, by the field's own name."""
    place = error.place.removeprefix("body.")
    return {place: error.rule}


def one(kind: type[Asked], values: dict[str, Any]) -> Asked:
    """What a form of hidden fields says.

    Raises:
        InvalidInput: not what our own page would send; names the first field.
    """
    asked, faults = read_as(kind, values)
    if asked is None:
        place, rule = next(iter(faults.items()))
        raise InvalidInput("not as our page sends it", place=place, rule=rule)
    return asked
