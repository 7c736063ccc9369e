"""Answers as a page's form sends them, and as a form keeps them."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.datastructures import FormData

from policies.forms.question import MultiChoiceQuestion, NumberQuestion, Question, ScaleQuestion

# Names of a page's own fields have no point in them.
PREFIX = "answer."
# A wider scale is asked for as a number.
MOST_STEPS = 21


def typed(questions: Sequence[Question], form: FormData) -> dict[str, Any]:
    """What was typed, by question, as JSON values; what is no number stays a text, to be shown again."""
    found = {question.id: _typed(question, form) for question in questions}
    return {name: answer for name, answer in found.items() if answer not in (None, "", [])}


def _typed(question: Question, form: FormData) -> Any:
    name = PREFIX + question.id
    if isinstance(question, MultiChoiceQuestion):
        return [str(value) for value in form.getlist(name)]
    text = str(form.get(name, "")).replace("\r\n", "\n").strip()
    if isinstance(question, NumberQuestion | ScaleQuestion):
        return _number(text)
    return text


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text.replace(",", ".").replace("\u2212", "-"))
        except ValueError:
            continue
    return text


def in_words(question: Question, answer: Any) -> str:
    """An answer as people read it: an option by its text, a step of a scale with its word."""
    if answer is None:
        return ""
    options: Mapping[str, str] = {option.value: option.text for option in getattr(question, "options", ())}
    if isinstance(answer, list):
        return ", ".join(options.get(str(each), str(each)) for each in answer)
    if isinstance(question, ScaleQuestion) and answer in question.labels:
        return f"{answer:g} · {question.labels[answer]}"
    if isinstance(answer, int | float):
        unit = getattr(question, "unit", "")
        return f"{answer:g} {unit}".strip()
    return options.get(str(answer), str(answer))
