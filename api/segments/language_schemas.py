"""What rules are made of, as data for whoever builds them."""

from typing import Any

from pydantic import BaseModel, Field


class MeasureEntry(BaseModel):
    """A measure that rules compare."""

    measure: str
    meaning: str
    type: str
    unit: str
    needs_profile: bool = Field(description="Whether it is known of patients alone who share their profile.")
    windowed: bool = Field(description="Whether it takes a window such as `30d`.")
    arguments: dict[str, bool] = Field(description="Its arguments, and whether each has to be given.")
    operators: list[str]


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
