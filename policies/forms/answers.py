"""The answers to one form: checked against its template, scored, and as rows that segments read.

A question shows when the answer to an earlier one, itself shown and given, fits its condition. Answers to what does not
show are dropped: nobody was asked. What is missing matters when the form is to be completed, and not before.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from policies.forms.question import (
    LARGEST_NUMBER,
    Asked,
    ChoiceQuestion,
    DateQuestion,
    MultiChoiceQuestion,
    NumberQuestion,
    Question,
    ScaleQuestion,
    SignatureQuestion,
    TextQuestion,
    fits,
)
from policies.forms.template import Score, Template
from policies.text import LONGEST_IDENTIFIER, fault_of_name, fault_of_text

Answers = dict[str, Any]


class WrongAnswer(ValueError):
    """An answer that breaks a rule: `question` is where, empty for one that the form does not ask; never the answer."""

    def __init__(self, question: str, rule: str) -> None:
        super().__init__(f"{question}: {rule}" if question else rule)
        self.question = question
        self.rule = rule


@dataclass(frozen=True)
class AnswerRow:
    """One typed answer, as segments read it; several options chosen are several rows."""

    question: str
    number: float | None = None
    choice: str | None = None
    day: date | None = None


def checked(template: Template, given: Mapping[str, Any], *, whole: bool) -> Answers:
    """The answers to the questions that show, in their order; null is no answer.

    Args:
        template: what was asked.
        given: JSON values by the id of the question.
        whole: the form is to be completed, so that what is required must be there.

    Raises:
        WrongAnswer: of the first question with a fault.
    """
    if not set(given) <= {question.id for question in template.questions}:
        raise WrongAnswer("", "no_such_question")
    answers, wrong = sifted(template.questions, given, whole=whole, summed=template.scores)
    if wrong:
        raise WrongAnswer(*next(iter(wrong.items())))
    return answers


def sifted(
    questions: Sequence[Question], given: Mapping[str, Any], *, whole: bool, summed: Sequence[Score] = ()
) -> tuple[Answers, dict[str, str]]:
    """The good answers to the questions that show, and by question the rule that an answer breaks; in their order.

    With the scores as `summed`, the largest answer to a sum that is none that could be kept breaks a rule as well.
    """
    answers: Answers = {}
    wrong: dict[str, str] = {}
    for question in questions:
        if not shows(question, answers):
            continue
        answer = given.get(question.id)
        if answer is None:
            if whole and question.required:
                wrong[question.id] = "missing"
        elif rule := _fault(question, answer):
            wrong[question.id] = rule
        else:
            answers[question.id] = answer
    return answers, wrong | _faults_of_sums(summed, answers)


def shows(question: Asked, answers: Mapping[str, Any]) -> bool:
    """Whether a question shows, given the answers to those before it."""
    condition = question.shown_when
    return condition is None or fits(condition, answers.get(condition.question))


def scores(template: Template, answers: Mapping[str, Any]) -> dict[str, float]:
    """The scores that can be worked out: of each, all questions are answered."""
    return {score.id: _sum(score, answers) for score in template.scores if set(score.sum_of) <= set(answers)}


def rows(template: Template, answers: Mapping[str, Any]) -> list[AnswerRow]:
    """The typed rows of checked answers and of their scores. Free text and signatures are in none."""
    found = [row for question in template.questions for row in _rows(question, answers.get(question.id))]
    return found + [AnswerRow(name, number=value) for name, value in scores(template, answers).items()]


def _sum(score: Score, answers: Mapping[str, Any]) -> float:
    return math.fsum(answers[question] for question in score.sum_of)


def _faults_of_sums(summed: Sequence[Score], answers: Answers) -> dict[str, str]:
    return {
        max(score.sum_of, key=lambda question: abs(answers[question])): "sum_too_large"
        for score in summed
        if set(score.sum_of) <= set(answers) and abs(_sum(score, answers)) >= LARGEST_NUMBER
    }


def _rows(question: Question, answer: Any) -> Sequence[AnswerRow]:
    if answer is None or isinstance(question, TextQuestion | SignatureQuestion):
        return []
    if isinstance(question, MultiChoiceQuestion):
        return [AnswerRow(question.id, choice=value) for value in answer]
    if isinstance(question, ChoiceQuestion):
        return [AnswerRow(question.id, choice=answer)]
    if isinstance(question, DateQuestion):
        return [AnswerRow(question.id, day=date.fromisoformat(answer))]
    return [AnswerRow(question.id, number=float(answer))]


def _fault(question: Question, answer: Any) -> str | None:
    """Which rule of its question an answer breaks; None if all is well."""
    if isinstance(question, NumberQuestion):
        return _fault_of_number(answer, question.minimum, question.maximum)
    if isinstance(question, ScaleQuestion):
        whole = isinstance(answer, int) and not isinstance(answer, bool)
        return _fault_of_number(answer, question.minimum, question.maximum) if whole else "no_whole_number"
    if isinstance(question, ChoiceQuestion):
        return None if isinstance(answer, str) and answer in question.values else "no_option"
    if isinstance(question, MultiChoiceQuestion):
        return _fault_of_choices(answer, question)
    if isinstance(question, DateQuestion):
        return _fault_of_day(answer, question)
    if isinstance(question, SignatureQuestion):
        return _fault_of_signature(answer)
    return _fault_of_words(answer, question.longest)


def _fault_of_number(answer: Any, minimum: float | None, maximum: float | None) -> str | None:
    if isinstance(answer, bool) or not isinstance(answer, int | float):
        return "no_number"
    # In this order: an integer may be too large to be a float.
    if not -LARGEST_NUMBER < answer < LARGEST_NUMBER:
        return "not_finite"
    if minimum is not None and answer < minimum:
        return "too_small"
    return "too_large" if maximum is not None and answer > maximum else None


def _fault_of_choices(answer: Any, question: MultiChoiceQuestion) -> str | None:
    if not isinstance(answer, list) or not answer:
        return "no_list_of_options"
    if not all(isinstance(value, str) and value in question.values for value in answer):
        return "no_option"
    return "chosen_twice" if len(set(answer)) < len(answer) else None


def _fault_of_day(answer: Any, question: DateQuestion) -> str | None:
    # Of the forms of ISO 8601 only the one with hyphens: `fromisoformat` takes others as well.
    if not isinstance(answer, str) or len(answer) != 10:
        return "no_day"
    try:
        day = date.fromisoformat(answer)
    except ValueError:
        return "no_day"
    if day.isoformat() != answer:
        return "no_day"
    if question.earliest is not None and day < question.earliest:
        return "too_early"
    return "too_late" if question.latest is not None and day > question.latest else None


def _fault_of_words(answer: Any, longest: int) -> str | None:
    if not isinstance(answer, str) or not answer.strip():
        return "no_text"
    if len(answer) > longest:
        return "too_long"
    return fault_of_text(answer)


def _fault_of_signature(answer: Any) -> str | None:
    return _fault_of_words(answer, LONGEST_IDENTIFIER) or fault_of_name(answer)
