"""Whatever comes instead of a rule is refused in words that can be shown; how fast, the benchmarks measure."""

import json
from collections.abc import Callable

import pytest

from bench.hostile_rules import hostile
from policies.segments.rule import Rule, RuleError

HOSTILE = hostile()
# Where in the rule; nothing is the rule itself.
PLACES = {
    "json.nested_not": "",
    "json.nested_lists": "",
    "json.nested_all": "",
    "json.nested_below_the_decoder": ".".join(["not"] * 40),
    "json.ten_megabytes_of_text": "",
    "json.ten_megabytes_of_rules": "",
    "json.wide": "",
    "json.too_many_words": "",
    "json.last_part_wrong": "all.7.value",
    "json.long_list_last_wrong": "value.999",
    "json.long_texts_last_wrong": "value.999",
    "json.too_many_services": "service",
    "json.many_keys": "",
    "json.long_key": "",
    "json.long_measure": "measure",
    "json.long_operator": "op",
    "json.sql_for_a_measure": "measure",
    "json.sql_for_an_operator": "op",
    "json.sql_for_a_window": "window",
    "json.sql_for_a_status": "status.0",
    "json.sql_for_a_key": "",
    "json.sql_for_a_segment": "in_segment",
    "json.unknown_key": "",
    "json.near_measure": "measure",
    "json.number_for_a_measure": "measure",
    "json.object_for_a_value": "value",
    "json.true_for_a_number": "value",
    "json.null_for_a_number": "value",
    "json.text_for_a_list": "all",
    "json.not_a_number": "",
    "json.infinity": "",
    "json.overflowing_number": "value",
    "json.huge_number": "value",
    "json.huge_integer": "value",
    "json.long_integer": "",
    "json.long_integer_in_a_list": "",
    "json.long_integer_for_a_window": "",
    "json.endless_integer": "",
    "json.key_twice": "",
    "json.key_twice_among_many": "",
    "json.lone_surrogate": "value",
    "json.lone_surrogate_for_a_key": "",
    "json.nul": "value",
    "json.right_to_left": "measure",
    "json.day_that_is_not": "value",
    "json.cut": "line 1, column 39",
    "json.empty": "line 1, column 1",
    "text.nested_parentheses": "line 1, column 5001",
    "text.closed_parentheses": "line 1, column 5001",
    "text.nested_not": "line 1, column 20001",
    "text.nested_not_within_the_limit": ".".join(["not"] * 40),
    "text.nested_all": "line 1, column 10001",
    "text.ten_megabytes": "",
    "text.ten_megabytes_of_quotes": "",
    "text.too_many_words": "line 1, column 15001",
    "text.many_words_last_wrong": "line 1, column 14406",
    "text.wide": "all",
    "text.long_list_last_wrong": "line 1, column 13299",
    "text.open_string": "line 1, column 7",
    "text.backslashes": "line 1, column 5005",
    "text.long_name": "line 1, column 1",
    "text.long_dotted_name": "line 1, column 1",
    "text.long_window": "line 1, column 27",
    "text.long_number": "line 1, column 7",
    "text.five_thousand_digits": "line 1, column 7",
    "text.five_thousand_digits_in_a_list": "line 1, column 12",
    "text.five_thousand_digits_between": "line 1, column 19",
    "text.five_thousand_digits_of_a_window": "line 1, column 15",
    "text.long_exponent": "line 1, column 7",
    "text.spaces": "line 1, column 1",
    "text.sql": "line 1, column 1",
    "text.sql_for_an_argument": "line 1, column 27",
    "text.sql_for_a_segment": "line 1, column 1",
    "text.near_measure": "line 1, column 1",
    "text.near_word": "line 1, column 10",
    "text.lone_surrogate": "line 1, column 7",
    "text.lone_surrogate_outside": "line 1, column 1",
    "text.not_a_number": "line 1, column 7",
    "text.nul": "line 1, column 8",
    "text.empty": "line 1, column 1",
}


@pytest.mark.check(41)
@pytest.mark.parametrize(("name", "read"), HOSTILE.items(), ids=HOSTILE)
def test_what_is_no_rule_is_refused_at_its_place_in_words_that_can_be_shown(
    name: str, read: Callable[[], Rule]
) -> None:
    with pytest.raises(RuleError) as caught:
        read()
    assert caught.value.place == PLACES[name]
    said = json.dumps({"detail": str(caught.value), "place": caught.value.place}, ensure_ascii=False)
    assert len(said.encode()) < 1_000 and said.isprintable()
