"""A form's row as its template and answers: opened, checked, and named by place where something is wrong."""

import json
from collections.abc import Mapping
from typing import Any

from api.forms.repository import TABLE
from infra.encryption.codec import Place
from infra.encryption.data_keys import stored_keys
from infra.encryption.field_codec import FieldCodec
from infra.errors import InvalidInput
from policies.forms.answers import Answers, WrongAnswer, checked
from policies.forms.template import Template


def template_of(row: Mapping[str, Any]) -> Template | None:
    """What a form asks; None if its template was never brought here, as it may be with an import."""
    if not row["questions"]:
        return None
    parts = {name: row[name] for name in ("title", "kind", "purpose", "questions", "scores")}
    return Template.model_validate(parts)


def answers_of(row: Mapping[str, Any], codec: FieldCodec) -> Answers:
    """What was answered so far.

    Raises:
        Undecryptable: the answers were altered, moved, or sealed with another key.
    """
    if row["content"] is None:
        imported: Answers = row["imported"]
        return imported
    place = Place(TABLE, "content", str(row["id"]))
    opened: Answers = json.loads(codec.open(stored_keys(row), place, row["content"]))
    return opened


def check(template: Template, given: Mapping[str, Any], *, whole: bool) -> Answers:
    """The answers that are kept.

    Raises:
        InvalidInput: names the question and the rule, never the answer.
    """
    try:
        return checked(template, given, whole=whole)
    except WrongAnswer as wrong:
        place = f"answers.{wrong.question}" if wrong.question else "answers"
        raise InvalidInput("an answer that the question does not take", place=place, rule=wrong.rule) from None
