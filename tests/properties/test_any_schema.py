"""The published JSON Schema and the reader of rules agree on whatever comes in, right or a little wrong."""

import json
from datetime import date
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.segments.catalogue import CATALOGUE, describe
from policies.segments.rule import RuleError, parse_rule
from policies.segments.schema import rule_schema
from tests.properties.segment_strategies import Row, rules

SCHEMA = jsonschema_rs.Draft202012Validator(rule_schema(), validate_formats=True)
RULES = rules(date(2024, 5, 31), [], ["high-pain"])
# What a key may hold instead of what fits it.
ODD: list[object] = [
    None, True, 0, -1.5, 1e15, 1e16, "", "x", "30d", "1000y", "1001y", "0d", "x" * 201, "a\0", "2024-02-29", "2024-2-9",
    [], [1], [1, 2], ["x"], ["booked"], ["video"], ["x", 1], [None], {}, {"measure": "age"}, "=", "between", "in",
    "contains_any", "is_known", "starts_with", "sex", "allergies", "appointments.count", "appointments.per_month",
    "answers.latest", "high-pain", "High",
]  # fmt: skip
KEYS = [
    "measure", "op", "value", "window", "status", "service", "modality", "form", "question", "all", "any", "not",
    "in_segment", "table",
]  # fmt: skip


def is_rule(found: object) -> bool:
    try:
        parse_rule(found)
    except RuleError:
        return False
    return True


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A rule, of which one object somewhere has a key more, less, or with something odd in it."""
    found = json.loads(json.dumps(draw(RULES)))
    node: Row = draw(st.sampled_from(list(objects(found))))
    key = draw(st.sampled_from([*KEYS, *sorted(node)]))
    if key in node and draw(st.booleans()):
        del node[key]
    else:
        node[key] = draw(st.sampled_from(ODD))
    return found


def objects(found: Any) -> list[Row]:
    """Every object in a rule."""
    if isinstance(found, list):
        return [node for part in found for node in objects(part)]
    return [found, *objects(list(found.values()))] if isinstance(found, dict) else []


@given(RULES | mutated())
def test_what_the_schema_says_of_a_document_the_reader_says(found: Any) -> None:
    assert SCHEMA.is_valid(found) == is_rule(found)


WHOLE: list[Row] = [
    {"measure": "age", "op": "=", "value": 1},
    {"measure": "age", "op": "between", "value": [1, 2]},
    {"measure": "age", "op": "is_known"},
    {"measure": "sex", "op": "in", "value": ["x"]},
    {"measure": "sex", "op": "starts_with", "value": "x"},
    {"measure": "allergies", "op": "contains_any", "value": ["x"]},
    {"measure": "registration.since", "op": "<", "value": "2024-02-29"},
    {"measure": "appointments.count", "op": "=", "value": 0, "window": "30d", "status": ["booked"], "service": ["x"]},
    {"measure": "appointments.per_month", "op": "=", "value": 0, "window": "30d", "modality": ["video"]},
    {"measure": "answers.latest", "op": "=", "value": 0, "form": "pain", "question": "score"},
    {"in_segment": "high-pain"},
    {"not": {"in_segment": "high-pain"}},
]


@pytest.mark.parametrize("rule", WHOLE, ids=lambda rule: " ".join(map(str, rule.values())))
def test_with_a_key_left_out_or_something_odd_in_it_the_schema_and_the_reader_say_the_same(rule: Row) -> None:
    tried = [rule, *[{**rule, key: odd} for key in KEYS for odd in ODD]]
    tried += [{key: value for key, value in rule.items() if key != without} for without in rule]
    assert [SCHEMA.is_valid(found) for found in tried] == [is_rule(found) for found in tried]
    assert is_rule(rule)


def test_a_rule_of_each_kind_fits_the_schema() -> None:
    for measure in describe():
        rule = {"measure": measure["name"], "op": "is_known"}
        rule |= {given["name"]: "x" for given in measure["arguments"] if given["required"]}
        rule |= {"window": "30d"} if measure["window"] == "required" else {}
        assert SCHEMA.is_valid(rule) and is_rule(rule)
    assert {measure["name"] for measure in describe()} == set(CATALOGUE)


@pytest.mark.parametrize(
    "window", ["1d", "9999w", "9999mo", "1000y", "0d", "10000d", "1001y", "01d", "1d\n", "1 d", "1m"]
)
def test_of_windows_the_schema_and_the_reader_say_the_same(window: str) -> None:
    rule = {"measure": "appointments.count", "op": "=", "value": 0, "window": window}
    assert SCHEMA.is_valid(rule) == is_rule(rule)
