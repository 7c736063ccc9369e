"""Any template and any answers: the checks agree with a reference that was written apart from them.

The reference goes by what the words of a template mean, question by question, and knows nothing of rows, classes
or the order in which faults are found.
"""

import json
import math
from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from policies.forms.answers import WrongAnswer, checked, rows, scores
from policies.forms.template import Template
from policies.text import fault_of_identifier

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)
JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.sampled_from(["\x00", "\ud800", "‮x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)
DAYS = st.dates(date(1990, 1, 1), date(2030, 12, 31))
VALUES = ("a", "b", "c")
SUM = {"type": "number"}


@st.composite
def questions(draw: st.DrawFn, name: str, earlier: list[dict[str, Any]]) -> dict[str, Any]:
    """A question with a condition on an earlier one, as often as there is one that can be asked about."""
    kind = draw(st.sampled_from(["number", "choice", "multi_choice", "text", "date", "scale", "signature"]))
    question: dict[str, Any] = {"id": name, "type": kind, "text": "?", "required": draw(st.booleans())}
    if kind == "number":
        question |= {"minimum": draw(st.none() | st.integers(-5, 0)), "maximum": draw(st.none() | st.integers(0, 5))}
    elif kind == "scale":
        question |= {"minimum": draw(st.integers(-2, 1)), "maximum": draw(st.integers(2, 5))}
    elif kind in ("choice", "multi_choice"):
        question["options"] = [{"value": value, "text": value} for value in VALUES]
    elif kind == "date":
        question |= {"earliest": str(draw(DAYS))} if draw(st.booleans()) else {}
    elif kind == "text":
        question["longest"] = draw(st.integers(1, 6))
    asked = [one for one in earlier if one["type"] not in ("text", "date", "signature")]
    if asked and draw(st.booleans()):
        question["shown_when"] = draw(conditions(draw(st.sampled_from(asked))))
    return question


def conditions(on: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    if on["type"] in ("number", "scale"):
        op, value = st.sampled_from(["is", "is_not", "at_least", "at_most"]), st.integers(-3, 6)
        return st.fixed_dictionaries({"question": st.just(on["id"]), "op": op, "value": value})
    op = st.just("includes") if on["type"] == "multi_choice" else st.sampled_from(["is", "is_not"])
    return st.fixed_dictionaries({"question": st.just(on["id"]), "op": op, "value": st.sampled_from(VALUES)})


@st.composite
def forms(draw: st.DrawFn) -> dict[str, Any]:
    """A template that is one."""
    asked: list[dict[str, Any]] = []
    for index in range(draw(st.integers(1, 6))):
        asked.append(draw(questions(f"q{index}", asked)))
    numbers = [one["id"] for one in asked if one["type"] in ("number", "scale")]
    sums = draw(st.lists(st.sets(st.sampled_from(numbers), min_size=1), max_size=2)) if numbers else []
    scored = [{"id": f"s{index}", "text": "Sum", "sum_of": sorted(names)} for index, names in enumerate(sums)]
    return {"title": "T", "questions": asked, "scores": scored}


def likely(question: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Answers that mostly fit."""
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "number": st.integers(-6, 6) | st.floats(-6, 6) | st.sampled_from([9 * 10**14, 5e14, -9e14]),
        "scale": st.integers(-3, 6),
        "choice": st.sampled_from(VALUES),
        "multi_choice": st.lists(st.sampled_from(VALUES), max_size=3),
        "text": WORDS,
        "signature": WORDS,
        "date": DAYS.map(str) | st.sampled_from(["2023-02-29", "2024-02-29", "20240229", "2024-W09-4"]),
    }
    return st.one_of(kinds[question["type"]], kinds[question["type"]], st.none(), JUNK)


@st.composite
def answered(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    form = draw(forms())
    chosen = [one for one in form["questions"] if draw(st.integers(0, 4))]
    return form, {one["id"]: draw(likely(one)) for one in chosen}


def right(question: dict[str, Any], answer: Any) -> bool:
    """Whether an answer is one that a reader of the template would take."""
    kind = question["type"]
    if kind in ("number", "scale"):
        number = type(answer) is int or (kind == "number" and type(answer) is float and math.isfinite(answer))
        low, high = question.get("minimum"), question.get("maximum")
        fits = number and (low is None or answer >= low) and (high is None or answer <= high)
        return bool(fits and abs(answer) < 10**15)
    if kind == "choice":
        return isinstance(answer, str) and answer in VALUES
    if kind == "multi_choice":
        known = isinstance(answer, list) and all(isinstance(one, str) and one in VALUES for one in answer)
        return known and 0 < len(answer) == len(set(answer))
    if kind == "date":
        days = {str(date.fromordinal(n)) for n in range(date(1989, 1, 1).toordinal(), date(2031, 1, 1).toordinal())}
        return isinstance(answer, str) and answer in days and answer >= question.get("earliest", "")
    if not isinstance(answer, str) or not answer.strip() or "\x00" in answer or "\ud800" in answer:
        return False
    return len(answer) <= question["longest"] if kind == "text" else True


def holds(condition: dict[str, Any], seen: dict[str, Any]) -> bool:
    answer, value = seen[condition["question"]], condition["value"]
    return bool(
        {
            "is": lambda: answer == value,
            "is_not": lambda: answer != value,
            "at_least": lambda: answer >= value,
            "at_most": lambda: answer <= value,
            "includes": lambda: value in answer,
        }[condition["op"]]()
    )


def reference(form: dict[str, Any], given_: dict[str, Any], *, whole: bool) -> dict[str, Any] | None:
    """The answers that are kept, or None if any is wrong: the form gone through as a person would."""
    kept: dict[str, Any] = {}
    for question in form["questions"]:
        condition = question.get("shown_when")
        if condition and not (condition["question"] in kept and holds(condition, kept)):
            continue
        answer = given_.get(question["id"])
        if answer is None:
            if whole and question["required"]:
                return None
        elif right(question, answer) and not odd_signature(question, answer):
            kept[question["id"]] = answer
        else:
            return None
    totals = [[kept.get(name) for name in score["sum_of"]] for score in form["scores"]]
    return None if any(None not in parts and not right(SUM, sum(parts)) for parts in totals) else kept


def odd_signature(question: dict[str, Any], answer: Any) -> bool:
    """Names have no invisible characters; which these are is `policies.text`'s, with tests of its own."""
    return question["type"] == "signature" and fault_of_identifier(answer) is not None


def attempt(template: Template, given_: dict[str, Any], *, whole: bool) -> dict[str, Any] | WrongAnswer:
    try:
        return checked(template, given_, whole=whole)
    except WrongAnswer as wrong:
        return wrong


@given(answered(), st.booleans())
def test_the_checks_agree_with_the_reference(asked: tuple[dict[str, Any], dict[str, Any]], whole: bool) -> None:
    form, given_ = asked
    template, expected = Template.model_validate(form), reference(form, given_, whole=whole)
    found = attempt(template, given_, whole=whole)
    if isinstance(found, WrongAnswer):
        assert expected is None
        assert found.question in given_ or found.rule == "missing"
        assert found.rule.isidentifier() and len(str(found)) < 60
    else:
        assert found == expected


@given(answered())
def test_what_is_kept_is_kept_again_and_scores_are_sums(asked: tuple[dict[str, Any], dict[str, Any]]) -> None:
    form, given_ = asked
    template = Template.model_validate(form)
    kept = attempt(template, given_, whole=False)
    if isinstance(kept, WrongAnswer):
        return
    assert checked(template, json.loads(json.dumps(kept)), whole=False) == kept
    totals = scores(template, kept)
    for score in form["scores"]:
        parts = [kept[name] for name in score["sum_of"] if name in kept]
        if len(parts) == len(score["sum_of"]):
            assert math.isclose(totals[score["id"]], sum(parts), abs_tol=1e-9)
        else:
            assert score["id"] not in totals
    by_question = {row.question for row in rows(template, kept)}
    sealed = {one["id"] for one in form["questions"] if one["type"] in ("text", "signature")}
    assert by_question == (set(kept) - sealed) | set(totals)


@given(forms())
def test_a_template_survives_being_stored(form: dict[str, Any]) -> None:
    template = Template.model_validate(form)
    assert Template.model_validate(json.loads(template.model_dump_json(exclude_unset=True))) == template


@given(JUNK)
def test_no_question_takes_what_is_no_answer(junk: Any) -> None:
    """Nothing but WrongAnswer comes out, whatever went in."""
    for kind in ("number", "scale", "date", "signature", "choice", "multi_choice", "text"):
        question: dict[str, Any] = {"id": "q", "type": kind, "text": "?"}
        if "choice" in kind:
            question["options"] = [{"value": "a", "text": "a"}]
        if kind == "scale":
            question["maximum"] = 3
        template = Template.model_validate({"title": "T", "questions": [question]})
        found = attempt(template, {"q": junk}, whole=False)
        assert found.question == "q" if isinstance(found, WrongAnswer) else set(found) <= {"q"}
