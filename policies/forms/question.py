"""The kinds of questions that a form asks, and the condition under which one shows."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from policies.written import Day, Written

LONGEST_TEXT = 4000
MOST_OPTIONS = 50
WIDEST_SCALE = 100
# As the column that holds it: sums and means of such numbers stay numbers.
LARGEST_NUMBER = 1e15

QuestionId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Words = Annotated[str, Field(min_length=1, max_length=500)]
Number = Annotated[float, Field(gt=-LARGEST_NUMBER, lt=LARGEST_NUMBER, allow_inf_nan=False)]
Operator = Literal["is", "is_not", "at_least", "at_most", "includes"]


class Part(Written):
    """A part of a template: immutable, and without a word that means nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Condition(Part):
    """Shows a question when the answer to an earlier one fits. No answer fits nothing, not even `is_not`."""

    question: QuestionId
    op: Operator
    value: Number | Words


class Asked(Part):
    """What every question has."""

    id: QuestionId
    text: Words
    required: bool = False
    shown_when: Condition | None = None


class NumberQuestion(Asked):
    """A number of a unit, between bounds that belong to it."""

    type: Literal["number"]
    minimum: Number | None = None
    maximum: Number | None = None
    unit: Annotated[str, Field(max_length=40)] = ""

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("minimum is above maximum")
        return self


class Option(Part):
    """One of the answers to choose from."""

    value: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,59}$")]
    text: Words


class Choosing(Asked):
    """A question with options."""

    options: Annotated[tuple[Option, ...], Field(min_length=1, max_length=MOST_OPTIONS)]

    @property
    def values(self) -> frozenset[str]:
        """What can be chosen."""
        return frozenset(option.value for option in self.options)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(self.values) < len(self.options):
            raise ValueError("an option is there twice")
        return self


class ChoiceQuestion(Choosing):
    """One of some options."""

    type: Literal["choice"]


class MultiChoiceQuestion(Choosing):
    """Any of some options, at least one."""

    type: Literal["multi_choice"]


class TextQuestion(Asked):
    """Free text: kept sealed, read by whoever treats, and nothing that a segment could ask about."""

    type: Literal["text"]
    longest: Annotated[int, Field(ge=1, le=LONGEST_TEXT)] = 2000


class DateQuestion(Asked):
    """A day, between bounds that belong to it."""

    type: Literal["date"]
    earliest: Day | None = None
    latest: Day | None = None

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.earliest is not None and self.latest is not None and self.earliest > self.latest:
            raise ValueError("earliest is after latest")
        return self


class ScaleQuestion(Asked):
    """A whole number of a scale, whose steps may have words."""

    type: Literal["scale"]
    minimum: Annotated[int, Field(ge=-WIDEST_SCALE, le=WIDEST_SCALE)] = 0
    maximum: Annotated[int, Field(ge=-WIDEST_SCALE, le=WIDEST_SCALE)]
    labels: dict[int, Words] = Field(default_factory=dict, max_length=2 * WIDEST_SCALE + 1)

    @model_validator(mode="after")
    def _steps(self) -> Self:
        if self.minimum >= self.maximum:
            raise ValueError("minimum is not below maximum")
        if any(not self.minimum <= step <= self.maximum for step in self.labels):
            raise ValueError("a label stands at no step")
        return self


class SignatureQuestion(Asked):
    """The name of whoever signs, as they write it."""

    type: Literal["signature"]


Question = Annotated[
    NumberQuestion
    | ChoiceQuestion
    | MultiChoiceQuestion
    | TextQuestion
    | DateQuestion
    | ScaleQuestion
    | SignatureQuestion,
    Field(discriminator="type"),
]
NUMERIC = (NumberQuestion, ScaleQuestion)


def compares(question: Asked, condition: Condition) -> bool:
    """Whether a condition asks something of a question that its answers could fit."""
    number = not isinstance(condition.value, str)
    if isinstance(question, NUMERIC):
        return number and condition.op != "includes"
    if isinstance(question, MultiChoiceQuestion):
        return condition.op == "includes" and condition.value in question.values
    if isinstance(question, ChoiceQuestion):
        return condition.op in ("is", "is_not") and condition.value in question.values
    return False


def fits(condition: Condition, answer: object) -> bool:
    """Whether an answer, None for one that is not there, fits a condition that `compares` with its question."""
    if answer is None:
        return False
    if condition.op == "includes":
        return condition.value in answer  # type: ignore[operator]
    if condition.op == "at_least":
        return answer >= condition.value  # type: ignore[operator]
    if condition.op == "at_most":
        return answer <= condition.value  # type: ignore[operator]
    return (answer == condition.value) is (condition.op == "is")
