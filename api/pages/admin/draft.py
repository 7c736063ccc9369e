"""A form's template while it is built: what the fields of the page say, and what a template is made of."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, get_args

from pydantic import BaseModel

from policies.forms.question import NUMERIC, Operator, Question

KINDS: dict[str, type[BaseModel]] = {
    get_args(kind.model_fields["type"].annotation)[0]: kind for kind in get_args(get_args(Question)[0])
}
OPERATORS: tuple[str, ...] = get_args(Operator)
NUMBERS = {name for name, kind in KINDS.items() if issubclass(kind, NUMERIC)}
_PLACE = re.compile(r"[0-9]{1,3}")
_OWN = ("name", "version", "title", "kind", "purpose", "due_days", "expire_days", "confidential")
_FIELD = re.compile(r"([qs])(\d{1,3})\.(\w+)")


@dataclass
class Draft:
    """What was typed so far. Questions and scores are dicts of their fields' texts."""

    name: str = ""
    version: str = ""
    title: str = ""
    kind: str = "questionnaire"
    purpose: str = ""
    due_days: str = "14"
    expire_days: str = ""
    confidential: str = ""
    questions: list[dict[str, str]] = field(default_factory=list)
    scores: list[dict[str, str]] = field(default_factory=list)

    @classmethod
    def typed(cls, form: Mapping[str, Any]) -> "Draft":
        """The draft that a sent form holds; fields that are none of it are let go."""
        own = {name: form[name] for name in _OWN if isinstance(form.get(name), str)}
        parts: dict[str, dict[int, dict[str, str]]] = {"q": {}, "s": {}}
        for name, value in form.items():
            if found := _FIELD.fullmatch(name):
                parts[found[1]].setdefault(int(found[2]), {})[found[3]] = str(value).replace("\r\n", "\n")
        return cls(**own, questions=_in_order(parts["q"]), scores=_in_order(parts["s"]))

    @classmethod
    def of(cls, name: str, template: dict[str, Any]) -> "Draft":
        """The draft of a template that there is."""
        own = {key: _text(template[key]) for key in ("title", "kind", "purpose", "due_days", "expire_days")}
        return cls(
            name=name,
            version=str(template["version"]),
            confidential="yes" if template["confidential"] else "",
            questions=[_question_fields(question) for question in template["questions"]],
            scores=[{**score, "sum_of": ", ".join(score["sum_of"])} for score in template["scores"]],
            **own,
        )

    def do(self, what: str, kind: str) -> None:
        """Add, remove or move a part, as a button of the page says; anything else leaves it as it is."""
        step, _, place = what.partition("-")
        if step == "add" and kind in KINDS:
            self.questions.append({"id": self._free("question"), "type": kind})
        elif step == "sum":
            self.scores.append({"id": self._free("score")})
        elif _PLACE.fullmatch(place):
            self._at(step, int(place))

    def _at(self, step: str, place: int) -> None:
        if step == "unsum":
            del self.scores[place : place + 1]
        elif step == "remove":
            del self.questions[place : place + 1]
        elif step in ("up", "down"):
            _swap(self.questions, place - (step == "up"))

    def asked(self) -> dict[str, Any]:
        """What a template is validated from: fields that are empty are left out."""
        types = {question.get("id", ""): question.get("type", "") for question in self.questions}
        own = {key: getattr(self, key) for key in ("title", "kind", "purpose", "due_days", "expire_days")}
        return {
            **{key: value for key, value in own.items() if value != ""},
            "title": self.title,
            "confidential": bool(self.confidential),
            "questions": [_question(question, types) for question in self.questions],
            "scores": [{**score, "sum_of": _named(score.get("sum_of", ""))} for score in self.scores],
        }

    def _free(self, stem: str) -> str:
        taken = {part.get("id") for part in (*self.questions, *self.scores)}
        return next(f"{stem}_{number}" for number in count(1) if f"{stem}_{number}" not in taken)


def _in_order(parts: dict[int, dict[str, str]]) -> list[dict[str, str]]:
    return [parts[number] for number in sorted(parts)]


def _swap(parts: list[dict[str, str]], first: int) -> None:
    if 0 <= first < len(parts) - 1:
        parts[first], parts[first + 1] = parts[first + 1], parts[first]


def _question(typed: dict[str, str], types: dict[str, str]) -> dict[str, Any]:
    """A question's JSON form."""
    kind = KINDS.get(typed.get("type", ""))
    known = kind.model_fields if kind else {}
    said: dict[str, Any] = {key: value for key, value in typed.items() if key in known and value.strip()}
    said["required"] = bool(typed.get("required"))
    if "options" in said:
        said["options"] = [{"value": value, "text": text} for value, text in _lines(said["options"])]
    if "labels" in said:
        said["labels"] = dict(_lines(said["labels"]))
    if typed.get("when"):
        value = typed.get("value", "").strip()
        number = types.get(typed["when"]) in NUMBERS
        condition = {"question": typed["when"], "op": typed.get("op", ""), "value": _number(value) if number else value}
        said["shown_when"] = condition
    return said


def _question_fields(question: dict[str, Any]) -> dict[str, str]:
    """The fields of a question that there is."""
    shown = {key: _text(value) for key, value in question.items() if isinstance(value, str | int | float)}
    shown["required"] = "yes" if question["required"] else ""
    shown |= {key: value.isoformat() for key in ("earliest", "latest") if (value := question.get(key))}
    if "options" in question:
        shown["options"] = "\n".join(f"{option['value']} = {option['text']}" for option in question["options"])
    if "labels" in question:
        shown["labels"] = "\n".join(f"{step} = {text}" for step, text in question["labels"].items())
    if condition := question.get("shown_when"):
        shown |= {"when": condition["question"], "op": condition["op"], "value": _text(condition["value"])}
    return shown


def _lines(text: str) -> list[tuple[str, str]]:
    """Lines such as `value = text`; one without a sign is both."""
    cut = [line.partition("=") for line in text.splitlines() if line.strip()]
    return [(value.strip(), text.strip() if sign else value.strip()) for value, sign, text in cut]


def _named(text: str) -> list[str]:
    return [name for name in re.split(r"[,\s]+", text) if name]


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _text(value: Any) -> str:
    """A value as a field holds it: whole numbers without a point."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)
