"""Whatever JSON comes in, it is a rule or a rule error, and a rule comes back as it was."""

import json

from hypothesis import given
from hypothesis import strategies as st

from policies.segments.rule import RuleError, parse_rule, to_json

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["all", "any", "not", "in_segment", "measure", "op", "value"]), inner)
    ),
)


@given(json_values)
def test_any_json_is_a_rule_or_a_rule_error(value: object) -> None:
    try:
        rule = parse_rule(value)
    except RuleError:
        return
    assert parse_rule(json.loads(json.dumps(to_json(rule)))) == rule
