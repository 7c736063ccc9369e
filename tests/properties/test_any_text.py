"""The two forms of a rule are one: whatever rule there is comes back as it was, whatever text comes in is judged."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from policies.segments.rule import RuleError, parse_rule, to_json
from policies.segments.text import read, write
from tests.properties.segment_strategies import Row, conditions

DAY = date(2024, 5, 31)
PLAIN = conditions(DAY, []) | st.just({"in_segment": "high-pain"})
# Texts that look like something else, and numbers of every kind.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
ODD = (
    TEXTS.map(lambda text: {"measure": "sex", "op": "=", "value": text})
    | st.lists(TEXTS, min_size=1).map(lambda texts: {"measure": "allergies", "op": "contains_all", "value": texts})
    | (st.integers(-(10**15), 10**15) | st.floats(-1e15, 1e15)).map(lambda n: {"measure": "age", "op": "<", "value": n})
)
RULES: st.SearchStrategy[Row] = st.recursive(
    PLAIN | ODD,
    lambda inner: (
        st.fixed_dictionaries({"not": inner})
        | st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=3)})
        | st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=3)})
    ),
    max_leaves=8,
)


@given(RULES)
def test_any_rule_comes_back_from_its_text_as_it_was(found: Row) -> None:
    rule = parse_rule(found)
    again = read(write(rule))
    assert again == rule and to_json(again) == to_json(rule)


WORDS = st.sampled_from([
    "age", ">", "65", "and", "or", "not", "(", ")", "[", "]", ",", "=", '"x"', "30d", "between", "in", "is", "known",
    "unknown", "contains", "any", "all", "starts", "with", "sex", "1.5", "form",
])  # fmt: skip


@given(st.lists(WORDS).map(" ".join) | st.text())
def test_any_text_is_a_rule_or_a_rule_error(text: str) -> None:
    try:
        rule = read(text)
    except RuleError:
        return
    assert read(write(rule)) == rule
