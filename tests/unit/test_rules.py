"""Rules in their JSON form: what is read, what is refused, and where the error says it is."""

import json

import pytest

from policies.segments.definition import parse_segments
from policies.segments.rule import RuleError, needs_profile, parse_rule, to_json

AGE = {"measure": "age", "op": ">", "value": 65}
RATE = {"measure": "adherence.completion_rate", "window": "30d", "op": "<", "value": 0.5}


@pytest.mark.parametrize(
    "rule",
    [
        AGE,
        RATE,
        {"all": [AGE, RATE]},
        {"any": [{"not": AGE}, {"all": [RATE]}]},
        {"measure": "sex", "op": "is_known"},
        {"not": {"in_segment": "high-pain"}},
    ],
)
def test_a_rule_comes_back_as_it_was(rule: dict[str, object]) -> None:
    assert to_json(parse_rule(rule)) == rule


@pytest.mark.parametrize(
    ("rule", "place", "said"),
    [
        ({"measure": "adherance.rate", "op": "<", "value": 1}, "measure", "did you mean 'adherence.completion_rate'"),
        ({"all": []}, "all", "1 to 200"),
        ({"all": [AGE, {"any": [{"measure": "age", "op": "<", "value": "x"}]}]}, "all.1.any.0.value", "a number"),
        ({"not": {"not": {}}}, "not.not", "expected an object"),
        ({"all": [AGE], "any": [AGE]}, "", "cannot stand beside"),
        ({"all": [{"in_segment": "No Slug"}]}, "all.0.in_segment", "slug of a segment"),
        ({"in_segment": 3}, "in_segment", "slug of a segment"),
        ({"in_segment": "a", "window": "30d"}, "", "cannot stand beside 'in_segment'"),
        ({**AGE, "op": "~"}, "op", "unknown operator '~'$"),
        ({**AGE, "op": "startswith"}, "op", "did you mean 'starts_with'"),
        ({"measure": "age", "op": "="}, "value", "needs one value"),
        ({"measure": "age"}, "", "expected 'op'"),
        ({"measure": 3, "op": "="}, "measure", "name of a measure"),
        ({**RATE, "windw": "30d"}, "", "unknown key 'windw': did you mean 'window'"),
        ({**RATE, "window": None}, "window", "leave it out"),
        (
            {"measure": "appointments.count", "op": "=", "value": 0, "status": ["fullfilled"]},
            "status.0",
            "unknown status 'fullfilled': did you mean 'fulfilled'",
        ),
        (
            {"measure": "appointments.count", "op": "=", "value": 0, "status": ["x"]},
            "status.0",
            "expected booked, arrived",
        ),
        ({"measure": "appointments.per_month", "op": ">", "value": 1}, "", "needs 'window'"),
        ({**AGE, "value": True}, "value", "must be a number"),
        ({**AGE, "value": float("nan")}, "value", "finite"),
        ({**AGE, "value": 1e300}, "value", "at most 1e15"),
        ({**AGE, "value": [1, 2]}, "value", "one value"),
        ({**AGE, "op": "between", "value": [1]}, "value", "two values"),
        ({**AGE, "op": "in", "value": []}, "value", "1 to 1000"),
        ({**AGE, "op": "starts_with"}, "op", "does not fit"),
        ({**AGE, "op": "is_known"}, "value", "takes no 'value'"),
        ({**AGE, "window": "30d"}, "window", "takes no 'window'"),
        ({**RATE, "window": "30 days"}, "window", "a whole number with d"),
        ({**AGE, "form": "pain"}, "form", "takes no 'form'"),
        ({"measure": "answers.latest", "op": ">", "value": 1, "form": "pain"}, "", "needs 'question'"),
        ({"measure": "appointments.last_on", "op": ">", "value": "2024-13-01"}, "value", "YYYY-MM-DD"),
        ({"measure": "appointments.last_on", "op": ">", "value": "2024-W22-5"}, "value", "YYYY-MM-DD"),
        ({"measure": "sex", "op": "=", "value": "a\x00"}, "value", "text of 1 to 200"),
        ({"measure": "sex", "op": "=", "value": "\ud800"}, "value", "must be a text of 1 to 200"),
        ({"measure": "appointments.count", "op": "=", "value": 0, "status": []}, "status", "list of 1 to"),
        (
            {"measure": "appointments.count", "op": "=", "value": 0, "service": ["x", "\x00"]},
            "service.1",
            "expected a text of 1 to 200",
        ),
        ({**RATE, "window": "1001y"}, "window", "at most 1000 years"),
        ({**AGE, "value": 10**400}, "value", "at most 1e15"),
        ({**AGE, "table": "x; drop table"}, "", "unknown key 'table'"),
        ("age > 65", "", "expected an object"),
        (
            {"all": [{"measure": "registration.since", "op": "in", "value": ["2024-01-01"] * 500 + ["2024-02-30"]}]},
            "all.0.value.500",
            "written YYYY-MM-DD",
        ),
        ({"measure": "age", "op": "in", "value": [1, 2, None]}, "value.2", "must be a number"),
        ({**AGE, "op": "between", "value": [1, "x"]}, "value.1", "must be a number"),
        ({"measure": "sex", "op": "=", "value": "x" * 201}, "value", "must be a text of 1 to 200"),
        ({"measure": "registration.since", "op": "=", "value": True}, "value", "must be a date"),
        ({"measre": "age", "op": ">", "value": 1}, "", "did you mean 'measure'"),
        ({"not": {"All": [AGE]}}, "not", "did you mean 'all'"),
        ({"in_segmnt": "x"}, "", "did you mean 'in_segment'"),
        ({"measure": "Age", "op": ">", "value": 1}, "measure", "did you mean 'age'"),
        ({**RATE, "window": "0d"}, "window", "from 1 to 9999"),
    ],
)
def test_an_error_names_the_place_and_what_was_expected(rule: object, place: str, said: str) -> None:
    with pytest.raises(RuleError, match=said) as caught:
        parse_rule(rule)
    assert caught.value.place == place


def test_a_file_may_hold_a_rule_as_a_text() -> None:
    found = parse_segments('[{"slug": "x", "name": "X", "rule": "age > 65"}]')
    assert found[0].rule == parse_rule(AGE)
    with pytest.raises(RuleError) as caught:
        parse_segments('[{"slug": "x", "name": "X", "rule": "age > 65 and"}]')
    assert caught.value.place == "0.rule, line 1, column 13"


def test_a_file_with_bounds_that_nothing_is_between_is_refused() -> None:
    reversed_ = {"measure": "age", "op": "between", "value": [70, 60]}
    for rule, place in (("age between 70 and 60", "rule, line 1, column 5"), ({"not": reversed_}, "rule.not.value")):
        with pytest.raises(RuleError, match="the lower bound first") as caught:
            parse_segments(json.dumps({"slug": "x", "name": "X", "rule": rule}))
        assert caught.value.place == place


def test_a_file_may_name_no_segment_by_a_word_of_the_apis_paths() -> None:
    with pytest.raises(RuleError, match="reserved") as caught:
        parse_segments('{"slug": "vocabulary", "name": "X", "rule": "age > 65"}')
    assert caught.value.place == "slug"


@pytest.mark.check(41)
def test_a_deep_or_large_or_broken_file_is_refused() -> None:
    deep: object = AGE
    for _ in range(10_000):
        deep = {"not": deep}
    with pytest.raises(RuleError, match="deeper than 40"):
        parse_rule(deep)
    for text in ("[" * 100_000, '{"not":' * 100_000, " " * 1_000_001, "{", "NaN", "9" * 5000, '[{"slug": "x"}]', "3"):
        with pytest.raises(RuleError):
            parse_segments(text)


def test_a_rule_knows_whether_it_needs_the_profile() -> None:
    assert needs_profile(parse_rule({"any": [RATE, {"not": AGE}]}))
    assert not needs_profile(parse_rule(RATE))
