"""Rules in their text form: what they mean in JSON, and where an error says it is."""

import pytest

from policies.segments.rule import RuleError, parse_rule
from policies.segments.text import read, write

AGE = {"measure": "age", "op": ">", "value": 65}
RATE = {"measure": "adherence.completion_rate", "window": "30d", "op": "<", "value": 0.5}
PAIN = {"measure": "answers.latest", "form": "pain", "question": "score", "op": ">=", "value": 7}
COUNT = {"measure": "appointments.count", "window": "3mo", "status": ["fulfilled"], "op": "=", "value": 0}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("age > 65 and adherence.completion_rate(30d) < 0.5", {"all": [AGE, RATE]}),
        ('answers.latest(form="pain", question="score") >= 7', PAIN),
        ('appointments.count(3mo, status="fulfilled") = 0', COUNT),
        ("not (age > 65) or age > 65 and age > 65", {"any": [{"not": AGE}, {"all": [AGE, AGE]}]}),
        ("(age > 65 and age > 65) and age > 65", {"all": [{"all": [AGE, AGE]}, AGE]}),
        ("all(any(age > 65))", {"all": [{"any": [AGE]}]}),
        ("age between 1 and 2 and age is known", {"all": [{"measure": "age", "op": "between", "value": [1, 2]},
                                                          {"measure": "age", "op": "is_known"}]}),
        ('sex in ["a", "b"]', {"measure": "sex", "op": "in", "value": ["a", "b"]}),
        ('sex starts with "a\\"\\u0041"', {"measure": "sex", "op": "starts_with", "value": 'a"A'}),
        ('allergies contains none ["nuts"]', {"measure": "allergies", "op": "contains_none", "value": ["nuts"]}),
        ("appointments.last_on >= 2024-05-31", {"measure": "appointments.last_on", "op": ">=", "value": "2024-05-31"}),
        ('not in_segment("high-pain")', {"not": {"in_segment": "high-pain"}}),
        ("age >= -1.5e3", {"measure": "age", "op": ">=", "value": -1500.0}),
    ],
)  # fmt: skip
def test_a_text_means(text: str, rule: dict[str, object]) -> None:
    assert read(text) == parse_rule(rule)
    assert read(write(parse_rule(rule))) == parse_rule(rule)


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("adherance.rate < 1", "line 1, column 1", "did you mean 'adherence.completion_rate'"),
        ("age > 65 and\n  age >", "line 2, column 7", "expected a date or a number or a text in double quotes"),
        ("age > 65 and\n  (age > 65", "line 2, column 10", "'\\)'"),
        ("age > 65 ; drop table", "line 1, column 10", "expected"),
        ("age is maybe", "line 1, column 8", "'known' or 'unknown'"),
        ("age(30d) > 65", "line 1, column 1", "takes no 'window'"),
        ('age > 65 or sex = "\\x"', "line 1, column 19", "escapes"),
        ('appointments.count(status="booked", status="noshow") = 1', "line 1, column 1", "twice"),
        ('age(op="x") > 1', "line 1, column 1", "cannot stand here"),
        ('age(measure="x") > 1', "line 1, column 1", "cannot stand here"),
        ('age > 1 and in_segment("No Slug")', "line 1, column 13", "slug of a segment"),
        ('in_segment("a", 30d)', "line 1, column 15", "'\\)'"),
        ("", "line 1, column 1", "expected"),
        ("age > NaN", "line 1, column 7", "expected"),
        ("age > " + "9" * 5000, "line 1, column 7", "too long"),
    ],
)
def test_an_error_names_the_place_and_what_was_expected(text: str, place: str, said: str) -> None:
    with pytest.raises(RuleError, match=said) as caught:
        read(text)
    assert caught.value.place == place


@pytest.mark.check(41)
def test_a_deep_or_large_text_is_refused() -> None:
    for text in (
        "(" * 10_000,
        "not " * 10_000 + "age > 1",
        "all(" * 10_000 + "age > 1" + ")" * 10_000,
        "x" * 1_000_001,
    ):
        with pytest.raises(RuleError):
            read(text)
