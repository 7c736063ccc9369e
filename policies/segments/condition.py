"""A condition of a rule: one comparison of one measure, checked against the catalogue.

Its keys beside `measure`, `op` and `value` are the measure's window and arguments.
"""

import difflib
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from policies.segments.catalogue import CATALOGUE, Measure, ValueType
from policies.segments.operators import KNOWN, LISTS, LONGEST_LIST, OPERATORS, Operator
from policies.segments.windows import Window

__all__ = ["LISTS", "OPERATORS", "Condition", "Operator"]

LARGEST_NUMBER = 1e15
# PostgreSQL cannot keep it.
NO_NUL = r"^[^\x00]*$"
LONGEST_TEXT = 200
Text = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT, pattern=NO_NUL)]
Texts = Annotated[list[Text], Field(min_length=1, max_length=LONGEST_LIST)]
Constant = int | float | Text
CONSTANTS = {
    ValueType.NUMBER: "a number",
    ValueType.TEXT: f"a text of 1 to {LONGEST_TEXT} characters, without NUL",
    ValueType.DATE: "a date that there is, written YYYY-MM-DD",
    ValueType.TEXT_SET: f"a text of 1 to {LONGEST_TEXT} characters, without NUL",
}
ARGUMENTS = ("status", "service", "modality", "form", "question")


class Misfit(ValueError):
    """What does not fit the catalogue; `key` is the key or item that it is about, empty if one is missing."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def shown(word: object) -> str:
    """A word of somebody's as a message may show it: short, in quotes, and of characters that can be seen."""
    return repr(str(word)[:60])


def near_names(word: str, known: Iterable[str]) -> list[str]:
    """What somebody may have meant, the likeliest first: three at most."""
    names = {name.lower(): name for name in sorted(known)}
    return [names[name] for name in difflib.get_close_matches(word[:60].lower(), names, n=3)]


def near(word: str, known: Iterable[str]) -> str:
    """What somebody may have meant, as the end of a message; empty if nothing is like it."""
    return did_you_mean(near_names(word, known))


def did_you_mean(found: list[str]) -> str:
    """Near names as the end of a message; empty if there are none."""
    return f": did you mean {' or '.join(map(repr, found))}?" if found else ""


class Condition(BaseModel):
    """A comparison of one measure."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    measure: str
    op: Operator
    value: Constant | list[Constant] | None = None
    window: str | None = None
    status: Texts | None = None
    service: Texts | None = None
    modality: Texts | None = None
    form: Text | None = None
    question: Text | None = None

    @property
    def definition(self) -> Measure:
        """The measure's entry in the catalogue."""
        return CATALOGUE[self.measure]

    @property
    def reversed(self) -> bool:
        """Whether nothing can be between its bounds, as the lower one comes last; dates compare as their texts do."""
        if self.op != "between":
            return False
        low, high = self.constants()
        return bool(low > high)  # type: ignore[operator] # of one type

    def argument(self, name: str) -> str | list[str] | None:
        """The value given for one of the measure's arguments."""
        found: str | list[str] | None = getattr(self, name)
        return found

    @model_validator(mode="after")
    def _fits_the_catalogue(self) -> Self:
        if self.measure not in CATALOGUE:
            raise Misfit("measure", f"unknown measure {shown(self.measure)}{near(self.measure, CATALOGUE)}")
        self._check_arguments()
        self._check_window()
        self._check_value()
        return self

    def _check_arguments(self) -> None:
        known = self.definition.arguments
        for name in ARGUMENTS:
            given = self.argument(name)
            if given is not None and name not in known:
                raise Misfit(name, f"'{self.measure}' takes no '{name}'")
            if given is None and name in known and known[name].required:
                raise Misfit("", f"'{self.measure}' needs '{name}'")
            options = known[name].options if name in known else ()
            for index, value in enumerate(given if options and isinstance(given, list) else ()):
                if value not in options:
                    listed = near(value, options) or f": expected {', '.join(options)}"
                    raise Misfit(f"{name}.{index}", f"unknown {name} {shown(value)}{listed}")

    def _check_window(self) -> None:
        if self.window is None:
            if self.definition.needs_window:
                raise Misfit("", f"'{self.measure}' needs 'window'")
            return
        if not self.definition.windowed:
            raise Misfit("window", f"'{self.measure}' takes no 'window'")
        try:
            Window.parse(self.window)
        except ValueError as error:
            raise Misfit("window", str(error)) from None

    def _check_value(self) -> None:
        type_ = self.definition.type
        if self.op not in OPERATORS[type_]:
            fitting = ", ".join(sorted(OPERATORS[type_]))
            kind = type_.value.replace("_", " ")
            raise Misfit("op", f"'{self.op}' does not fit '{self.measure}', which is a {kind}: expected {fitting}")
        if self.op in KNOWN:
            if self.value is not None:
                raise Misfit("value", f"'{self.op}' takes no 'value'")
            return
        for index, value in enumerate(self.constants()):
            fault = _fault(value, type_)
            if fault:
                raise Misfit(f"value.{index}" if isinstance(self.value, list) else "value", fault)

    def constants(self) -> list[Constant]:
        """The constants of the comparison, in order.

        Raises:
            Misfit: their number does not fit the operator.
        """
        if self.op in LISTS:
            if not isinstance(self.value, list) or not 1 <= len(self.value) <= LONGEST_LIST:
                raise Misfit("value", f"'{self.op}' needs a list of 1 to {LONGEST_LIST} values")
            return list(self.value)
        if self.op == "between":
            if not isinstance(self.value, list) or len(self.value) != 2:
                raise Misfit("value", "'between' needs a list of two values")
            return list(self.value)
        if self.value is None or isinstance(self.value, list):
            raise Misfit("value", f"'{self.op}' needs one value")
        return [self.value]


def _fault(value: Constant, type_: ValueType) -> str:
    expected = f"the value must be {CONSTANTS[type_]}"
    if type_ is ValueType.NUMBER:
        if not isinstance(value, int | float):
            return expected
        return "" if abs(value) <= LARGEST_NUMBER else "the value must be a finite number, at most 1e15"
    fits = isinstance(value, str) and (type_ is not ValueType.DATE or _is_date(value))
    return "" if fits else expected


def _is_date(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False
