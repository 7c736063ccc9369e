"""What rules are made of, as data for whoever builds them."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from policies.segments.measure import ValueType
from policies.segments.operators import Operator


class MeasureArgument(BaseModel):
    """What a measure may be narrowed by."""

    name: str
    required: bool
    many: bool = Field(description="Whether it takes a list, of which any one fits.")
    options: list[str] = Field(description="All values that there are; empty where any text will do.")


class MeasureEntry(BaseModel):
    """A measure that rules compare."""

    name: str
    meaning: str
    type: ValueType
    unit: str
    needs_profile: bool = Field(description="Whether it is known of patients alone who share their profile.")
    window: Literal["no", "optional", "required"] = Field(description="Whether it takes a window such as `30d`.")
    arguments: list[MeasureArgument]
    operators: list[Operator]


class Measures(BaseModel):
    """All measures by name."""

    measures: list[MeasureEntry]


class VocabularyTemplate(BaseModel):
    """A form that the clinic asks patients to fill in, or did."""

    template: str
    title: str | None
    questions: list[dict[str, Any]] = Field(description="As the template has them; `id` alone of imported answers.")


class Vocabulary(BaseModel):
    """What the rules of a clinic may name."""

    services: list[str]
    modalities: list[str]
    statuses: list[str]
    templates: list[VocabularyTemplate]
