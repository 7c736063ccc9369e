"""Templates as the API shows them."""

from pydantic import BaseModel, Field

from policies.forms.question import Question
from policies.forms.template import Score, TemplateKind
from policies.words import ConsentPurpose


class TemplateEntry(BaseModel):
    """The newest version of a template."""

    template: str
    version: int
    title: str
    kind: TemplateKind


class Templates(BaseModel):
    """Templates by name."""

    templates: list[TemplateEntry]


class TemplateVersion(TemplateEntry):
    """One version of a template, whole."""

    purpose: ConsentPurpose | None = Field(description="What completing the form signs for; of consent forms alone.")
    due_days: int
    expire_days: int | None
    confidential: bool
    questions: list[Question]
    scores: list[Score]


class SavedVersion(BaseModel):
    """The version that was saved."""

    template: str
    version: int
