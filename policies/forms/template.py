"""A form as a clinic defines it: its questions, what is worked out of them, and how long it is open."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from policies.forms.question import NUMERIC, Part, Question, QuestionId, SignatureQuestion, Words, compares
from policies.words import ConsentPurpose

MOST_QUESTIONS = 200
MOST_SCORES = 20
LONGEST_DAYS = 366


class TemplateKind(StrEnum):
    """What completing a form does: a consent form signs a consent."""

    INTAKE = "intake"
    CONSENT = "consent"
    QUESTIONNAIRE = "questionnaire"


class Score(Part):
    """The sum of the answers to some questions; unknown unless all of them are answered."""

    id: QuestionId
    text: Words
    sum_of: Annotated[tuple[QuestionId, ...], Field(min_length=1, max_length=MOST_QUESTIONS)]


class Template(Part):
    """One version of a form: `purpose` is what a consent form signs for."""

    title: Annotated[str, Field(min_length=1, max_length=200)]
    kind: TemplateKind = TemplateKind.QUESTIONNAIRE
    purpose: ConsentPurpose | None = None
    due_days: Annotated[int, Field(ge=0, le=LONGEST_DAYS)] = 14
    expire_days: Annotated[int | None, Field(ge=0, le=LONGEST_DAYS)] = Field(
        default=None, description="Days after the due day that the form can still be answered; null: for ever."
    )
    confidential: bool = Field(default=False, description="Whether its forms are hidden from guardians from the start.")
    questions: Annotated[tuple[Question, ...], Field(min_length=1, max_length=MOST_QUESTIONS)]
    scores: Annotated[tuple[Score, ...], Field(max_length=MOST_SCORES)] = ()

    @model_validator(mode="after")
    def _ids(self) -> Self:
        ids = [part.id for part in (*self.questions, *self.scores)]
        if len(set(ids)) < len(ids):
            raise ValueError("an id is there twice")
        return self

    @model_validator(mode="after")
    def _conditions(self) -> Self:
        earlier: dict[str, Question] = {}
        for question in self.questions:
            condition = question.shown_when
            if condition and not (condition.question in earlier and compares(earlier[condition.question], condition)):
                raise ValueError("shown_when asks nothing that an earlier question answers")
            earlier[question.id] = question
        return self

    @model_validator(mode="after")
    def _sums(self) -> Self:
        numbers = {question.id for question in self.questions if isinstance(question, NUMERIC)}
        for score in self.scores:
            if not set(score.sum_of) <= numbers or len(set(score.sum_of)) < len(score.sum_of):
                raise ValueError("a score sums numbers and scales of the form, each once")
        return self

    @model_validator(mode="after")
    def _consent(self) -> Self:
        if (self.kind is TemplateKind.CONSENT) != (self.purpose is not None):
            raise ValueError("a consent form, and no other, has a purpose")
        signed = any(isinstance(question, SignatureQuestion) and question.required for question in self.questions)
        if self.purpose is not None and not signed:
            raise ValueError("a consent form requires a signature")
        return self
