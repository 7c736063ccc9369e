"""Questionnaires, as templates of forms: what no template can ask sends them to quarantine, with the reason."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from orchestration.importing.fhir.forms import question_of, template_of
from orchestration.importing.fhir.rows import Left, Row, Source, Unfit, required
from orchestration.importing.fhir.values import Body, an_object, objects
from policies.fhir.types import is_restricted
from policies.forms.question import LONGEST_TEXT
from policies.forms.template import Template

_EXTENSION = "http://hl7.org/fhir/StructureDefinition/"
_OPERATORS = {"=": "is", "!=": "is_not", ">=": "at_least", "<=": "at_most"}
# Whole numbers in so few steps are a scale.
_MOST_STEPS = 20


def questionnaire(body: Body, source: Source) -> Iterator[Row]:
    """A template of the clinic, named as the forms that answer it are."""
    if body.get("status") in ("draft", "retired"):
        raise Left(f"Questionnaire that is {body['status']}")
    clinic = source.index.clinic_of([])
    if clinic is None:
        raise Unfit("clinic: is named nowhere")
    multiple: set[str] = set()
    asked = {
        "title": body.get("title") or body.get("name"),
        "confidential": is_restricted(body),
        "questions": list(_questions(body.get("item"), multiple)),
    }
    try:
        template = Template.model_validate(asked)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        # Its place has numbers and names of ours alone.
        place = ".".join(str(part) for part in first["loc"]) or "item"
        raise Unfit(f"{place}: {first['msg'].removeprefix('Value error, ')}") from None
    told = {
        "record_id": f"Questionnaire/{required(body)}",
        "template": template_of(body.get("url"), "url"),
        "definition": template.model_dump_json(exclude_unset=True),
    }
    yield Row(("template",), clinic, {"template": told})


def _questions(items: Any, multiple: set[str]) -> Iterator[dict[str, Any]]:
    """The questions in their order; groups and words between them are left out."""
    for item in objects(items):
        if item.get("type") == "display":
            continue
        if item.get("type") != "group":
            yield _question(item, multiple)
        elif item.get("enableWhen"):
            raise Unfit("item: a group that shows on a condition")
        else:
            yield from _questions(item.get("item"), multiple)


def _question(item: Body, multiple: set[str]) -> dict[str, Any]:
    kind, conditions = item.get("type"), list(objects(item.get("enableWhen")))
    if item.get("item"):
        raise Unfit("item: a question within a question")
    if len(conditions) > 1:
        raise Unfit("item: shows on more than one condition")
    if item.get("repeats") and kind != "choice":
        raise Unfit("item: is answered more than once")
    if item.get("repeats"):
        multiple.add(str(question_of(item.get("linkId"))))
    asked = {"id": question_of(item.get("linkId")), "text": item.get("text"), "required": item.get("required") is True}
    shown = {"shown_when": _condition(conditions[0], multiple)} if conditions else {}
    return {**asked, **shown, **_answered(item, kind)}


def _answered(item: Body, kind: Any) -> dict[str, Any]:
    """The kind of a question, with what belongs to it."""
    match kind:
        case "boolean":
            return {"type": "choice", "options": [{"value": "yes", "text": "Yes"}, {"value": "no", "text": "No"}]}
        case "integer" | "decimal" | "quantity":
            return _number(item, whole=kind == "integer")
        case "date":
            return {"type": "date", **_bounds(item, "earliest", "latest")}
        case "string" | "text" | "url":
            return {"type": "text", "longest": min(item.get("maxLength") or LONGEST_TEXT, LONGEST_TEXT)}
        case "choice":
            return {"type": "multi_choice" if item.get("repeats") else "choice", "options": list(_options(item))}
    raise Unfit("item: is of a type that no question here has")


def _number(item: Body, *, whole: bool) -> dict[str, Any]:
    found = _bounds(item, "minimum", "maximum")
    if whole and len(found) == 2 and 0 < found["maximum"] - found["minimum"] <= _MOST_STEPS:
        return {"type": "scale", **found}
    unit = an_object(_extended(item, "questionnaire-unit")).get("code")
    return {"type": "number", **found, **({"unit": unit} if unit else {})}


def _bounds(item: Body, low: str, high: str) -> dict[str, Any]:
    found = {low: _extended(item, "minValue"), high: _extended(item, "maxValue")}
    return {name: value for name, value in found.items() if value is not None}


def _extended(item: Body, name: str) -> Any:
    """The value of an extension of HL7's."""
    values = (
        value
        for each in objects(item.get("extension"))
        if each.get("url") == _EXTENSION + name
        for key, value in each.items()
        if key.startswith("value")
    )
    return next(values, None)


def _options(item: Body) -> Iterator[dict[str, Any]]:
    given = list(objects(item.get("answerOption")))
    if not given:
        raise Unfit("item: its options are elsewhere")
    for each in given:
        coding = an_object(each.get("valueCoding"))
        if not coding.get("code"):
            raise Unfit("item: an option without a code")
        yield {"value": coding["code"], "text": coding.get("display") or coding["code"]}


def _condition(found: Body, multiple: set[str]) -> dict[str, Any]:
    question, op = str(question_of(found.get("question"))), _OPERATORS.get(str(found.get("operator")))
    given = {name.removeprefix("answer"): value for name, value in found.items() if name.startswith("answer")}
    value = next(iter(given.values()), None)
    if "Coding" in given:
        value = an_object(value).get("code")
    elif "Boolean" in given:
        value = "yes" if value is True else "no"
    elif not given.keys() & {"Integer", "Decimal"}:
        op = None
    if op is None:
        raise Unfit("item: shows on a condition that no question here has")
    return {"question": question, "op": "includes" if question in multiple and op == "is" else op, "value": value}
