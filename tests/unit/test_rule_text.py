"""Rules in their text form: what they mean in JSON, and where an error says it is."""

import pytest

from policies.segments.rule import RuleError, parse_rule, to_json
from policies.segments.text import MOST_WORDS, read, take, write

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
        ("age > 65 and\n  age >", "line 2, column 8", "expected a number$"),
        ("age > 65 and\n  (age > 65 \n", "line 2, column 12", "expected '\\)'$"),
        ("age > 65 ; drop table", "line 1, column 10", "expected"),
        ("age > 65 adn sex is known", "line 1, column 10", "did you mean 'and'"),
        ("sex is unkown", "line 1, column 8", "did you mean 'unknown'"),
        ('allergies contain any ["nuts"]', "line 1, column 11", "did you mean 'contains'"),
        (
            'appointments.count(3mo, statsu="noshow") = 0',
            "line 1, column 25",
            "unknown argument 'statsu': did you mean 'status'",
        ),
        (
            'appointments.count(3mo,\n status="noshw") = 0',
            "line 2, column 9",
            "unknown status 'noshw': did you mean 'noshow'",
        ),
        ('age starts with "x"', "line 1, column 5", "'starts_with' does not fit 'age'"),
        ('age > "x"', "line 1, column 7", "must be a number"),
        ("adherence.completion_rate(0d) < 1", "line 1, column 27", "whole number with d"),
        ("appointments.per_month > 1", "line 1, column 1", "needs 'window'"),
        ("age is maybe", "line 1, column 8", "'known' or 'unknown'"),
        ("age(30d) > 65", "line 1, column 5", "takes no 'window'"),
        ('age > 65 or sex = "\\x"', "line 1, column 19", "escapes"),
        ('appointments.count(status="booked", status="noshow") = 1', "line 1, column 37", "twice"),
        ('age(op="x") > 1', "line 1, column 5", "unknown argument 'op'"),
        ('age(measure="x") > 1', "line 1, column 5", "unknown argument 'measure'"),
        ('age > 1 and in_segment("No Slug")', "line 1, column 13", "slug of a segment"),
        ('in_segment("a", 30d)', "line 1, column 15", "'\\)'"),
        ("", "line 1, column 1", "expected"),
        ("age > NaN", "line 1, column 7", "expected a number$"),
        ("age > true", "line 1, column 7", "expected a number$"),
        ("sex = female", "line 1, column 7", "expected a text in double quotes$"),
        ("appointments.last_on =", "line 1, column 23", "expected a date$"),
        ("nothing > x", "line 1, column 11", "expected a date or a number or a text in double quotes$"),
        (f'sex = "{"x" * 201}"', "line 1, column 7", "a text of 1 to 200 characters"),
        ('age between 1 and "x"', "line 1, column 19", "must be a number"),
        ('age in [1,\n 2, "x"]', "line 2, column 5", "must be a number"),
        ("age in []", "line 1, column 8", "list of 1 to 1000"),
        ("age in [1 2]", "line 1, column 11", "expected ',' or ']'"),
        ('appointments.count(status=["booked", "noshw"]) = 0', "line 1, column 38", "did you mean 'noshow'"),
        ("age > 65 and ", "line 1, column 13", "or 'not' or a measure$"),
        ("age > 65;", "line 1, column 9", "expected 'and' or 'or' or the end$"),
        ("age > 65 or (age < 3", "line 1, column 21", "expected '\\)'"),
        ("age > 65 AND sex is known", "line 1, column 10", "did you mean 'and'"),
        ("Age > 65", "line 1, column 1", "did you mean 'age'"),
        ('sex starts_with "f"', "line 1, column 5", "did you mean 'starts with'"),
        ('sex startswith "f"', "line 1, column 5", "did you mean 'starts with'"),
        ("age is_known", "line 1, column 5", "did you mean 'is known'"),
        ('allergies contains_none ["nuts"]', "line 1, column 11", "did you mean 'contains none'"),
        ('appointments.count(Status="booked") = 0', "line 1, column 20", "did you mean 'status'"),
        ("adherence.completion_rate(99999d) < 1", "line 1, column 27", "from 1 to 9999"),
        ("age > " + "9" * 5000, "line 1, column 7", "too long"),
    ],
)
def test_an_error_names_the_place_and_what_was_expected(text: str, place: str, said: str) -> None:
    with pytest.raises(RuleError, match=said) as caught:
        read(text)
    assert caught.value.place == place


LISTS = [{"measure": "age", "op": "in", "value": [*range(1000)]}] * 4


def test_whatever_is_taken_in_json_is_read_from_its_text_up_to_the_limit() -> None:
    at_the_limit = {"any": [*LISTS, {"measure": "age", "op": "in", "value": [*range(MOST_WORDS - 4024)]}]}
    rule = take(at_the_limit).rule
    assert len(write(rule).replace(",", " ").replace("[", "[ ").replace("]", " ]").split()) == MOST_WORDS
    assert read(write(rule)) == take(write(rule)).rule == rule


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"any": [*LISTS, {"measure": "age", "op": "in", "value": [*range(MOST_WORDS - 4023)]}]}, "5000 words"),
        ({"any": [{"measure": "sex", "op": "in", "value": ["€" * 200] * 450}]}, "250000 bytes"),
    ],
    ids=["words", "bytes"],
)
def test_what_would_be_too_long_a_text_is_refused_in_both_forms_but_read_where_it_is_kept(
    rule: dict[str, object], said: str
) -> None:
    kept = parse_rule(rule)
    for form in (rule, write(kept)):
        with pytest.raises(RuleError, match=said):
            take(form)


REVERSED = {"measure": "age", "op": "between", "value": [70, 60]}


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        (REVERSED, "value"),
        ({"all": [{"measure": "age", "op": ">", "value": 1}, {"not": REVERSED}]}, "all.1.not.value"),
        ("age between 70 and 60", "line 1, column 5"),
        ("age > 1 and (\n not age between 70 and 60)", "line 2, column 10"),
        ("age between 0.2 and 0.1", "line 1, column 5"),
        ("appointments.last_on between 2024-03-31 and 2024-01-01", "line 1, column 22"),
        ('in_segment("a") or all(appointments.last_on between 2024-03-31 and 2023-12-31)', "line 1, column 45"),
    ],
)
def test_bounds_that_nothing_is_between_are_refused_where_a_rule_comes_in_and_read_where_it_is_kept(
    rule: object, place: str
) -> None:
    with pytest.raises(RuleError, match="expected the lower bound first: nothing is between") as refused:
        take(rule)
    assert refused.value.place == place
    kept = read(rule) if isinstance(rule, str) else parse_rule(rule)
    assert read(write(kept)) == kept


@pytest.mark.parametrize(
    "text",
    ["age between 60 and 60", "age between 60 and 60.0", "appointments.last_on between 2024-01-01 and 2024-01-01"],
)
def test_equal_bounds_are_a_rule(text: str) -> None:
    assert take(text).rule == take(to_json(read(text))).rule == read(text)


def test_of_a_text_each_place_in_the_rule_is_at_its_word() -> None:
    written = take('age in [1, 2] and not (in_segment("a") or\n appointments.count(3mo, service=["x", "y"]) > 1)')
    count = "all.1.not.any.1"
    places = ("all.0", "all.0.value.1", "all.1.not.any.0.in_segment", count, f"{count}.service", f"{count}.service.1")
    assert [written.at(place) for place in places] == [
        "line 1, column 1", "line 1, column 12", "line 1, column 24", "line 2, column 2", "line 2, column 26",
        "line 2, column 40",
    ]  # fmt: skip
    assert take("age > 1").at("value") == "line 1, column 7"
    assert take(to_json(written.rule)).at("all.0.value.1") == "all.0.value.1"


@pytest.mark.check(41)
def test_a_deep_or_large_text_is_refused() -> None:
    for text in (
        "(" * 10_000,
        "not " * 10_000 + "age > 1",
        "all(" * 10_000 + "age > 1" + ")" * 10_000,
        "x" * 250_001,
    ):
        with pytest.raises(RuleError):
            read(text)


@pytest.mark.parametrize("typed", ["", "foo", "[", "]", '"', ",", "=", "2024-02-30", "1", "in"])
@pytest.mark.parametrize(
    "text",
    [
        'age > 65 and adherence.completion_rate(30d) < 0.5 or not (sex in ["a", "b"])',
        'appointments.count(3mo, status=["fulfilled", "noshow"]) between 1 and 2 and in_segment("high-pain")',
        'answers.latest(form="pain", question="score") >= 7 and allergies contains none ["nuts"]',
    ],
)
def test_wherever_a_text_ends_or_goes_wrong_it_is_a_rule_or_an_error_with_its_place(text: str, typed: str) -> None:
    assert "" not in [place_of_fault(text[:end] + typed) for end in range(len(text) + 1)]


def place_of_fault(text: str) -> str | None:
    try:
        read(text)
    except RuleError as error:
        return error.place
    return None
