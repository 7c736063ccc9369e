"""Segments that any clinic can enable: a rule with parameters, each with the value that it has unless chosen."""

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from policies.segments.condition import LARGEST_NUMBER, near, shown
from policies.segments.rule import Rule, RuleError
from policies.segments.text import take
from policies.segments.windows import Window

LONGEST_TEXT = 200
Value = int | float | str
_NAME = re.compile("[a-z_]{1,60}")


class ParameterType(StrEnum):
    """What the value of a parameter is."""

    NUMBER = "number"
    WINDOW = "window"
    TEXT = "text"


class Parameter(BaseModel):
    """A value of a template's rule that a clinic may choose; bounds are of numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    type: ParameterType
    meaning: str
    default: Value
    minimum: float = 0
    maximum: float = LARGEST_NUMBER

    def written(self, value: object) -> str:
        """The value as a rule's text has it: a constant, or a window.

        Raises:
            RuleError: it is no such value; names the parameter.
        """
        fault = self._fault(value)
        if fault:
            raise RuleError(fault, self.name)
        return str(value) if self.type is ParameterType.WINDOW else json.dumps(value)

    def _fault(self, value: object) -> str | None:
        if self.type is ParameterType.NUMBER:
            number = None if isinstance(value, bool) or not isinstance(value, int | float) else value
            if number is None or not self.minimum <= number <= self.maximum:
                return f"expected a number from {self.minimum:g} to {self.maximum:g}"
            return None
        if not isinstance(value, str) or not 1 <= len(value) <= LONGEST_TEXT:
            return f"expected a text of 1 to {LONGEST_TEXT} characters"
        return _fault_of_window(value) if self.type is ParameterType.WINDOW else None


class SegmentTemplate(BaseModel):
    """A segment to be enabled."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    template: str
    name: str
    description: str
    rule: str
    parameters: list[Parameter]

    def with_values(self, values: Mapping[str, object]) -> Rule:
        """The rule with the chosen values, and the usual ones where none is chosen.

        Raises:
            RuleError: a value is none of its parameter's, or there is no such parameter; names it. Or each fits, and
                all of them do not.
        """
        known = {parameter.name for parameter in self.parameters}
        other = next((name for name in values if name not in known), None)
        if other is not None:
            listed = near(other, known) or f": there are {', '.join(sorted(known))}"
            # A place is made of names; whatever else was sent is none.
            raise RuleError(f"no parameter {shown(other)}{listed}", other if _NAME.fullmatch(other) else "")
        text = self.rule.format(**{p.name: p.written(values.get(p.name, p.default)) for p in self.parameters})
        try:
            return take(text).rule
        except RuleError as error:  # whose place is one in a text that nobody sent
            raise RuleError(str(error)) from None


@cache
def segment_templates() -> dict[str, SegmentTemplate]:
    """The templates by name, which is the slug of the segment that one makes."""
    text = (files("policies.segments") / "templates.yml").read_text()
    found = TypeAdapter(list[SegmentTemplate]).validate_python(yaml.safe_load(text))
    return {template.template: template for template in found}


def _fault_of_window(value: str) -> str | None:
    try:
        Window.parse(value)
    except ValueError as error:
        return str(error)
    return None
