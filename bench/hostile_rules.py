"""Rules that are none: what an attacker, a broken builder or a cut file sends instead of one.

Each is answered by a `RuleError`, and none takes long.
"""

import json
from collections.abc import Callable, Iterator
from statistics import median

from bench.harness import Bench, Figure, Timer, at_most, benchmark
from policies.segments.definition import decode
from policies.segments.rule import Rule, RuleError
from policies.segments.text import read, take

ROUNDS = 5

AGE = '{"measure": "age", "op": ">", "value": 1}'
BAD = '{"measure": "age", "op": ">", "value": "x"}'
COUNT = '{"measure": "appointments.count", "op": "=", "value": 0, "service": %s}'
INJECTED = "'; drop table raw_patients; --"


@benchmark("segments.hostile")
def refusals(_: Bench) -> Iterator[Figure]:
    """Milliseconds of the slowest refusal, from the text of a request to the error that names the place."""
    yield at_most("segments.hostile_ms", max(map(milliseconds, hostile().values())), "ms", 100)


def milliseconds(refused: Callable[[], Rule]) -> float:
    """The median of some rounds.

    Raises:
        AssertionError: it is a rule after all.
    """
    return median(_once(refused) for _ in range(ROUNDS))


def _once(refused: Callable[[], Rule]) -> float:
    with (timer := Timer()).running():
        try:
            refused()
        except RuleError:
            pass
        else:
            raise AssertionError("what is hostile was taken for a rule")
    return 1000 * timer.seconds


def json_rules() -> dict[str, str]:
    """Name to the text of a JSON document that is no rule."""
    many = ", ".join([AGE] * 199)
    return {
        "nested_not": '{"not": ' * 10_000 + AGE + "}" * 10_000,
        "nested_lists": "[" * 10_000 + "]" * 10_000,
        "nested_all": '{"all": [' * 10_000 + AGE + "]}" * 10_000,
        "nested_below_the_decoder": '{"not": ' * 900 + AGE + "}" * 900,
        "ten_megabytes_of_text": json.dumps({"measure": "sex", "op": "=", "value": "x" * 10_000_000}),
        "ten_megabytes_of_rules": '{"all": [' + ", ".join([AGE] * 240_000) + "]}",
        "wide": '{"all": [' + ", ".join(['{"any": [' + many + "]}"] * 16) + "]}",
        "too_many_words": json.dumps({"any": [{"measure": "age", "op": "in", "value": [*range(1000)]}] * 9}),
        "last_part_wrong": '{"all": [' + ", ".join(['{"any": [' + many + "]}"] * 7 + [BAD]) + "]}",
        "long_list_last_wrong": json.dumps({"measure": "age", "op": "in", "value": [*range(999), "x"]}),
        "long_texts_last_wrong": json.dumps({"measure": "sex", "op": "in", "value": ["x" * 200] * 999 + [1]}),
        "too_many_services": COUNT % json.dumps(["x" * 200] * 1001),
        "many_keys": json.dumps({f"key_{number}": number for number in range(9_000)}),
        "long_key": json.dumps({"x" * 200_000: 1, "measure": "age"}),
        "long_measure": json.dumps({"measure": "a" * 200_000, "op": "=", "value": 1}),
        "long_operator": json.dumps({"measure": "age", "op": "starts" * 40_000, "value": 1}),
        "sql_for_a_measure": json.dumps({"measure": INJECTED, "op": "=", "value": 1}),
        "sql_for_an_operator": json.dumps({"measure": "age", "op": INJECTED, "value": 1}),
        "sql_for_a_window": json.dumps(
            {"measure": "adherence.completion_rate", "op": "=", "value": 1, "window": INJECTED}
        ),
        "sql_for_a_status": json.dumps({"measure": "appointments.count", "op": "=", "value": 1, "status": [INJECTED]}),
        "sql_for_a_key": json.dumps({"measure": "age", "op": "=", "value": 1, INJECTED: 1}),
        "sql_for_a_segment": json.dumps({"in_segment": INJECTED}),
        "unknown_key": json.dumps({"measure": "age", "op": "=", "value": 1, "table": "raw_patients"}),
        "near_measure": json.dumps({"measure": "adherance.rate", "op": "<", "value": 0.5}),
        "number_for_a_measure": json.dumps({"measure": 1, "op": "=", "value": 1}),
        "object_for_a_value": json.dumps({"measure": "age", "op": "=", "value": {"measure": "age"}}),
        "true_for_a_number": json.dumps({"measure": "age", "op": "=", "value": True}),
        "null_for_a_number": json.dumps({"measure": "age", "op": "=", "value": None}),
        "text_for_a_list": json.dumps({"all": "age > 65"}),
        "not_a_number": '{"measure": "age", "op": "=", "value": NaN}',
        "infinity": '{"measure": "age", "op": "<", "value": -Infinity}',
        "overflowing_number": '{"measure": "age", "op": "<", "value": 1e999}',
        "huge_number": '{"measure": "age", "op": "<", "value": 1e300}',
        "huge_integer": '{"measure": "age", "op": "<", "value": ' + "9" * 4_000 + "}",
        "long_integer": '{"measure": "age", "op": "<", "value": ' + "9" * 5_000 + "}",
        "long_integer_in_a_list": '{"measure": "age", "op": "in", "value": [1, -' + "9" * 5_000 + "]}",
        "long_integer_for_a_window": '{"measure": "forms.pending", "op": "=", "value": 1, "window": '
        + "9" * 5_000
        + "}",
        "endless_integer": '{"measure": "age", "op": "<", "value": ' + "9" * 200_000 + "}",
        "key_twice": '{"measure": "age", "measure": "sex", "op": "=", "value": 1}',
        "key_twice_among_many": "{" + ", ".join(f'"key_{number % 8_999}": 1' for number in range(9_000)) + "}",
        "lone_surrogate": '{"measure": "sex", "op": "=", "value": "\\ud800"}',
        "lone_surrogate_for_a_key": '{"measure": "sex", "op": "=", "\\udfff": "x"}',
        "nul": '{"measure": "sex", "op": "=", "value": "a\\u0000b"}',
        "right_to_left": '{"measure": "\\u202eega", "op": "=", "value": 1}',
        "day_that_is_not": json.dumps({"measure": "appointments.last_on", "op": "=", "value": "2023-02-29"}),
        "cut": AGE[:-3],
        "empty": "",
    }


def text_rules() -> dict[str, str]:
    """Name to a text that is no rule."""
    return {
        "nested_parentheses": "(" * 10_000,
        "closed_parentheses": "(" * 10_000 + "age > 1" + ")" * 10_000,
        "nested_not": "not " * 10_000 + "age > 1",
        "nested_not_within_the_limit": "not " * 4_900 + "age > 1",
        "nested_all": "all(" * 10_000 + "age > 1" + ")" * 10_000,
        "ten_megabytes": "age > 1 and " * 900_000,
        "ten_megabytes_of_quotes": '"' * 10_000_000,
        "too_many_words": "age > 1 and " * 20_000,
        "many_words_last_wrong": "age > 1 and " * 1_200 + "age >",
        "wide": "age > 1 and " * 1_200 + "age > 1",
        "long_list_last_wrong": f"age in [{', '.join(map(str, range(2_400)))}, x]",
        "open_string": 'sex = "' + "x" * 240_000,
        "backslashes": 'sex = "' + "\\" * 240_000,
        "long_name": "a" * 240_000 + " > 1",
        "long_dotted_name": "a." * 120_000 + "a > 1",
        "long_window": f"adherence.completion_rate({'9' * 240_000}d) < 1",
        "long_number": "age > " + "9" * 240_000,
        "five_thousand_digits": "age > " + "9" * 5_000,
        "five_thousand_digits_in_a_list": f"age in [1, -{'9' * 5_000}]",
        "five_thousand_digits_between": f"age between 1 and {'9' * 5_000}",
        "five_thousand_digits_of_a_window": f"forms.pending({'9' * 5_000}d) = 1",
        "long_exponent": "age > 1e" + "9" * 240_000,
        "spaces": " " * 249_000,
        "sql": INJECTED,
        "sql_for_an_argument": f'appointments.count(status="{INJECTED}") = 0',
        "sql_for_a_segment": f'in_segment("{INJECTED}")',
        "near_measure": "adherance.rate < 0.5",
        "near_word": "age > 65 adn sex is known",
        "lone_surrogate": 'sex = "\ud800"',
        "lone_surrogate_outside": "\ud800",
        "not_a_number": "age > NaN",
        "nul": "age > 1\0",
        "empty": "",
    }


def hostile() -> dict[str, Callable[[], Rule]]:
    """Name to what reads the rule, and is to raise a `RuleError`."""
    found: dict[str, Callable[[], Rule]] = {}
    for name, text in json_rules().items():
        found[f"json.{name}"] = lambda text=text: read_json(text)  # type: ignore[misc]
    for name, text in text_rules().items():
        found[f"text.{name}"] = lambda text=text: read(text)  # type: ignore[misc]
    return found


def read_json(text: str) -> Rule:
    """Read a rule from a JSON document, as a request brings it."""
    return take(decode(text)).rule
