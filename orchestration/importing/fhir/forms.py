"""Answers: of questionnaires, and of observations that answer a question."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from orchestration.importing.fhir.mapping import QuestionOf
from orchestration.importing.fhir.rows import Left, Note, Row, Source, Unfit, clinic_and_patient, required
from orchestration.importing.fhir.values import Body, an_object, coded, codes, extended, hidden, objects, text_of
from policies.fhir.types import ASSIGNED_ON, DUE_ON

_STATUS = {"completed": "completed", "amended": "completed", "in-progress": "in_progress"}
_NOT_DONE = {"entered-in-error", "cancelled", "registered"}
_NUMBERED = re.compile(r"\d+(\.\d+)*", re.ASCII)
SURVEY = "survey"
LONGEST_NAME = 100
# UCUM: the unit of what has none.
PLAIN = "1"


def observation(body: Body, source: Source) -> Iterator[Row]:
    """A score that a patient gave, as the only answer of a form."""
    if body.get("status") in _NOT_DONE:
        raise Left(f"Observation that is {body['status']}")
    answers = _question_of(body, source)
    if answers is None:
        raise Left("Observation that answers no question")
    clinic, patient = clinic_and_patient(body, source)
    at, own = source.instant(_effective(body)), f"Observation/{required(body)}"
    form: Body = {"source_id": patient, "record_id": own, "template": answers.template, "status": "completed"}
    form |= {"assigned_on": source.day(_effective(body)), "completed_at": at, **hidden(body)}
    said = {name.removeprefix("value"): found for name, found in body.items() if name.startswith("value")}
    if not said:
        raise Left("Observation without a value of its own")
    unit = source.mapping.unit_of(answers.template, answers.question)
    answer: Body = {"source_id": patient, "record_id": own, "form_id": own, "template": answers.template}
    answer |= {"question": answers.question, "answered_at": at, **_value(said, unit)}
    yield Row(("form", "answer"), clinic, {"form": form, "answer": answer})


def questionnaire_response(body: Body, source: Source) -> Iterator[Row | Note]:
    """A form as far as it is filled in, and each of its answers."""
    status = body.get("status")
    if status not in _STATUS:
        raise Left("QuestionnaireResponse that is neither filled in nor begun")
    clinic, patient = clinic_and_patient(body, source)
    own, template = f"QuestionnaireResponse/{required(body)}", template_of(body.get("questionnaire"), "questionnaire")
    at = source.instant(body.get("authored"))
    form: Body = {"source_id": patient, "record_id": own, "template": template, "status": _STATUS[status]}
    if source.day(body.get("authored")) is None:
        raise Unfit("authored: names no day")
    # Our own exports say when it was assigned; elsewhere it is taken for assigned when it was written.
    assigned, due = (source.day(extended(body, url).get("valueDate")) for url in (ASSIGNED_ON, DUE_ON))
    form |= {"assigned_on": assigned or source.day(body.get("authored")), "due_on": due}
    form |= {"completed_at": at if _STATUS[status] == "completed" else None, **hidden(body)}
    yield Row(("form",), clinic, {"form": form})
    met: Counter[str] = Counter()
    for link, said in _answers(body.get("item")):
        # By its question, and which of several answers: another question before it makes it no other answer.
        place, met[link], question = met[link], met[link] + 1, question_of(link)
        answer = {"source_id": patient, "record_id": f"{own}#{link}/{place}", "form_id": own, "template": template}
        try:
            value = _value(said, source.mapping.unit_of(template, question))
        except Unfit as reason:
            yield Note(f"answer {reason}")
        else:
            yield Row(("answer",), clinic, {"answer": {**answer, "question": question, "answered_at": at, **value}})


def _question_of(body: Body, source: Source) -> QuestionOf | None:
    """The question that the mapping says, or, of a survey, one named after its LOINC code."""
    found = coded(body.get("code"))
    mapped = next((source.mapping.observations[code] for code in found if code in source.mapping.observations), None)
    if mapped is None and any(SURVEY in codes(each) for each in objects(body.get("category"))) and found:
        return QuestionOf(template=f"loinc-{found[0].rpartition('|')[2]}"[:LONGEST_NAME])
    return mapped


def _effective(body: Body) -> Any:
    period = body.get("effectivePeriod")
    found = body.get("effectiveDateTime") or body.get("effectiveInstant")
    return found or (period.get("start") if isinstance(period, dict) else None)


def template_of(address: Any, place: str) -> str:
    """The last part of a questionnaire's address, without its version.

    Raises:
        Unfit: there is none.
    """
    name = str(address or "").partition("|")[0].rstrip("/").rpartition("/")[2]
    template = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-")[:LONGEST_NAME]
    if not template:
        raise Unfit(f"{place}: is missing")
    return template


def question_of(link: Any) -> Any:
    """The id of a question here: a number such as `1.2`, as many questionnaires have, is `q1_2`; others stay."""
    numbered = isinstance(link, str) and _NUMBERED.fullmatch(link)
    return f"q{link.replace('.', '_')}" if numbered else link


def _answers(items: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every answer's value[x] with the id of its question, in order, questions within questions too."""
    waiting = list(objects(items))[::-1]
    while waiting:
        item = waiting.pop()
        inner = list(objects(item.get("item")))
        for answer in objects(item.get("answer")):
            value = {name.removeprefix("value"): found for name, found in answer.items() if name.startswith("value")}
            if value:
                yield str(item.get("linkId", ""))[:LONGEST_NAME], value
            inner += objects(answer.get("item"))
        waiting += inner[::-1]


def _value(found: dict[str, Any], unit: str | None) -> dict[str, Any]:
    """A value[x] as the field of an answer that holds its kind; a quantity's has to be in this unit, or in none."""
    for kind, value in found.items():
        match kind:
            case "Decimal" | "Integer":
                return {"number": value}
            case "Quantity":
                return {"number": _number(an_object(value), unit)}
            case "Boolean":
                return {"choice": "yes" if value is True else "no"}
            case "Coding":
                return {"choice": value.get("code") or value.get("display") if isinstance(value, dict) else None}
            case "CodeableConcept":
                return {"choice": next((code.rpartition("|")[2] for code in coded(value)), None) or text_of(value)}
            case "Date":
                return {"day": value}
            case "DateTime" | "Time" | "String" | "Uri":
                return {"body": value}
    raise Unfit("value: is of no kind that an answer can be")


def _number(quantity: Body, unit: str | None) -> Any:
    """A quantity's number, in the unit that the mapping names; without one it has to be a plain number.

    Raises:
        Unfit: it is in another unit, or a bound of the number and not the number.
    """
    if quantity.get("comparator"):
        raise Unfit("value: is a bound and no number")
    said = str(quantity.get("code") or quantity.get("unit") or PLAIN)
    # UCUM's annotations in braces, such as {score}, are of no dimension.
    if said != unit and not (unit is None and (said == PLAIN or (said[0], said[-1]) == ("{", "}"))):
        raise Unfit("value: is in a unit that the mapping does not name")
    return quantity.get("value")
