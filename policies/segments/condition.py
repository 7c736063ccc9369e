"""A condition of a rule: one comparison of one measure, checked against the catalogue.

Its keys beside `measure`, `op` and `value` are the measure's window and arguments.
"""

import difflib
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from policies.segments.catalogue import CATALOGUE, Measure, ValueType
from policies.segments.windows import PATTERN, Window

LARGEST_NUMBER = 1e15

Operator = Literal[
    "=", "!=", "<", "<=", ">", ">=", "between", "in", "starts_with",
    "contains_any", "contains_all", "contains_none", "is_known", "is_unknown",
]  # fmt: skip
# PostgreSQL cannot keep it.
NO_NUL = r"^[^\x00]*$"
Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_NUL)]
Texts = Annotated[list[Text], Field(min_length=1, max_length=1000)]
Constant = int | float | Text

_ORDER = {"=", "!=", "<", "<=", ">", ">=", "between", "in"}
_KNOWN = {"is_known", "is_unknown"}
OPERATORS: dict[ValueType, set[str]] = {
    ValueType.NUMBER: _ORDER | _KNOWN,
    ValueType.DATE: _ORDER | _KNOWN,
    ValueType.TEXT: {"=", "!=", "in", "starts_with"} | _KNOWN,
    ValueType.TEXT_SET: {"contains_any", "contains_all", "contains_none"} | _KNOWN,
}
LISTS = {"in", "contains_any", "contains_all", "contains_none"}


class Condition(BaseModel):
    """A comparison of one measure."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    measure: str
    op: Operator
    value: Constant | list[Constant] | None = None
    window: Annotated[str, StringConstraints(pattern=PATTERN)] | None = None
    status: Texts | None = None
    service: Texts | None = None
    modality: Texts | None = None
    form: Text | None = None
    question: Text | None = None

    @property
    def definition(self) -> Measure:
        """The measure's entry in the catalogue."""
        return CATALOGUE[self.measure]

    def argument(self, name: str) -> str | list[str] | None:
        """The value given for one of the measure's arguments."""
        found: str | list[str] | None = getattr(self, name)
        return found

    @model_validator(mode="after")
    def _fits_the_catalogue(self) -> Self:
        if self.measure not in CATALOGUE:
            near = difflib.get_close_matches(self.measure, CATALOGUE, n=1)
            raise ValueError(
                f"unknown measure '{self.measure[:60]}'" + (f": did you mean '{near[0]}'?" if near else "")
            )
        self._check_arguments()
        self._check_value()
        return self

    def _check_arguments(self) -> None:
        known = self.definition.arguments
        for name in ("status", "service", "modality", "form", "question"):
            given = getattr(self, name) is not None
            if given and name not in known:
                raise ValueError(f"'{self.measure}' takes no '{name}'")
            if not given and name in known and known[name].required:
                raise ValueError(f"'{self.measure}' needs '{name}'")
        if self.window is not None and not self.definition.windowed:
            raise ValueError(f"'{self.measure}' takes no 'window'")
        if self.window is not None:
            Window.parse(self.window)

    def _check_value(self) -> None:
        type_ = self.definition.type
        if self.op not in OPERATORS[type_]:
            raise ValueError(f"'{self.op}' does not fit '{self.measure}', which is a {type_.value}")
        if self.op in _KNOWN:
            if self.value is not None:
                raise ValueError(f"'{self.op}' takes no 'value'")
            return
        for value in self.constants():
            _check_constant(value, type_)

    def constants(self) -> list[Constant]:
        """The constants of the comparison, in order.

        Raises:
            ValueError: their number does not fit the operator.
        """
        if self.op in LISTS:
            if not isinstance(self.value, list) or not 1 <= len(self.value) <= 1000:
                raise ValueError(f"'{self.op}' needs a list of 1 to 1000 values")
            return list(self.value)
        if self.op == "between":
            if not isinstance(self.value, list) or len(self.value) != 2:
                raise ValueError("'between' needs a list of two values")
            return list(self.value)
        if self.value is None or isinstance(self.value, list):
            raise ValueError(f"'{self.op}' needs one value")
        return [self.value]


def _check_constant(value: Constant, type_: ValueType) -> None:
    if type_ is ValueType.NUMBER:
        if not isinstance(value, int | float):
            raise ValueError("the value must be a number")
        if not abs(value) <= LARGEST_NUMBER:
            raise ValueError("the value must be a finite number, at most 1e15")
        return
    if not isinstance(value, str):
        raise ValueError("the value must be a text")
    if type_ is ValueType.DATE and date.fromisoformat(value).isoformat() != value:
        raise ValueError("the value must be a date written YYYY-MM-DD")
