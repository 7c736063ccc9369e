"""Forms as the API shows them."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from policies.forms.question import Question
from policies.forms.template import Score, TemplateKind
from policies.words import ConsentPurpose
from policies.written import Written

MOST_AT_ONCE = 20
Answers = Annotated[
    dict[str, Any],
    Field(
        description="By the id of the question: a number, the value of an option, a list of such, a text, or a day such"
        " as 2026-02-28. Answers to questions that do not show are dropped.",
    ),
]


class Status(BaseModel):
    """Which form, and how far it is."""

    id: UUID
    template: str
    template_version: int
    title: str
    status: Literal["pending", "in_progress", "completed", "expired"]
    assigned_on: date
    due_on: date | None
    expires_on: date | None = Field(description="The last day that it can be answered on.")
    completed_at: datetime | None


class Statuses(BaseModel):
    """The forms of a patient, the newest first."""

    forms: list[Status]


class OwnStatus(Status):
    """A form of one's own or of a dependent, at some clinic."""

    clinic: str
    confidential: bool = Field(description="Hidden from guardians.")


class OwnStatuses(BaseModel):
    """Forms at all clinics, the newest first."""

    forms: list[OwnStatus]


class ConsentText(BaseModel):
    """What a consent form signs: the clinic's newest text."""

    purpose: ConsentPurpose
    text_version: str
    text: str
    sha256: str = Field(description="Of the text, in hexadecimal.")


class Answered(OwnStatus):
    """A form with its questions and what was answered."""

    kind: TemplateKind | None = Field(description="Null for what was imported without its template.")
    questions: list[Question]
    scores: list[Score]
    answers: Answers
    results: dict[str, float] = Field(description="The scores that can be worked out.")


class OwnForm(Answered):
    """A form to be answered, or answered already."""

    consent: ConsentText | None = Field(description="What completing it signs; of consent forms alone.")
    version: str = Field(description="Its entity tag: sent back as `If-Match`, nobody's answers are lost to another's.")


class Assigning(Written):
    """Which forms a patient is to answer."""

    model_config = ConfigDict(extra="forbid")

    templates: list[Annotated[str, Field(max_length=100)]] = Field(min_length=1, max_length=MOST_AT_ONCE)


class Assigned(BaseModel):
    """The forms that are new; what was assigned today already is none of them."""

    forms: list[UUID]


class Saving(Written):
    """All answers so far; they take the place of those that were saved before."""

    model_config = ConfigDict(extra="forbid")

    answers: Answers


class Shown(Written):
    """Which text was shown to whoever signs."""

    model_config = ConfigDict(extra="forbid")

    text_version: str = Field(max_length=100)
    sha256: str = Field(max_length=64)


class Completing(Written):
    """The last answers, or none if those that were saved are the last; and of a consent form what was shown."""

    model_config = ConfigDict(extra="forbid")

    answers: Answers | None = None
    consent: Shown | None = None


class Saved(BaseModel):
    """How far the form is now, and the answers that were kept."""

    status: Literal["in_progress", "completed"]
    version: str = Field(description="The form's entity tag from now on.")
    answers: Answers
    results: dict[str, float] = Field(description="The scores that can be worked out.")
