"""Segments that name others: their order, circles, and the profile behind them."""

import pytest

from policies.segments.references import in_order, levels, named, profile_dependent
from policies.segments.rule import Rule, RuleError
from policies.segments.text import read

RATE = "adherence.completion_rate(30d) < 0.5"


def rules(**texts: str) -> dict[str, Rule]:
    return {slug: read(text) for slug, text in texts.items()}


def test_a_rule_names_segments_wherever_they_stand() -> None:
    rule = read('age > 1 and not (in_segment("b") or in_segment("a-1") and all(in_segment("b")))')
    assert named(rule) == {"a-1", "b"}
    assert named(read("age > 1")) == set()


def test_those_that_are_named_come_first() -> None:
    found = rules(a='in_segment("b") and in_segment("c")', b='in_segment("c")', c=RATE, d=RATE)
    order = in_order(found)
    assert sorted(order) == ["a", "b", "c", "d"]
    assert order.index("c") < order.index("b") < order.index("a")
    assert levels(found) == {"c": 0, "d": 0, "b": 1, "a": 2}


def test_the_order_is_the_same_in_every_process() -> None:
    """That of a set of texts is another one in each: a program would seem to have changed wherever it is compiled."""
    found = rules(
        all=" or ".join(f'in_segment("{letter}")' for letter in "hgfedcba"), **dict.fromkeys("abcdefgh", RATE)
    )
    assert in_order(found) == [*"abcdefgh", "all"]


@pytest.mark.parametrize(
    ("texts", "place", "said"),
    [
        ({"a": 'in_segment("a")'}, "in_segment", "a → a"),
        ({"a": 'age > 1 or in_segment("b")', "b": f'{RATE} and not in_segment("a")'}, None, "a → b → a|b → a → b"),
        ({"a": f'{RATE} and in_segment("high-pian")', "high-pain": RATE}, "all.1.in_segment",
         "segment 'a' names 'high-pian', which is not there: did you mean 'high-pain'\\?"),
        ({"a": 'not in_segment("x")'}, "not.in_segment", "which is not there$"),
    ],
)  # fmt: skip
def test_a_circle_or_an_unknown_segment_is_refused_by_name(texts: dict[str, str], place: str | None, said: str) -> None:
    with pytest.raises(RuleError, match=said) as caught:
        in_order(rules(**texts))
    assert place is None or caught.value.place == place


def test_the_place_of_a_circle_is_in_the_rule_that_it_begins_with() -> None:
    with pytest.raises(RuleError) as caught:
        in_order(rules(a='age > 1 or in_segment("b")', b=f'{RATE} and not in_segment("a")'))
    first = str(caught.value).rsplit(": ", 1)[1][0]
    assert caught.value.place == {"a": "any.1.in_segment", "b": "all.1.not.in_segment"}[first]


def test_naming_goes_forty_segments_deep_and_no_deeper() -> None:
    chain = {"s0": read(RATE), **{f"s{n}": read(f'in_segment("s{n - 1}")') for n in range(1, 42)}}
    with pytest.raises(RuleError, match="more than 40"):
        in_order(chain)
    del chain["s41"]
    assert len(in_order(chain)) == 41


def test_a_segment_depends_on_the_profile_through_those_that_it_names() -> None:
    others = rules(
        old="age > 65", low=RATE, both='in_segment("old") and in_segment("low")', round='in_segment("round")'
    )
    assert profile_dependent(read("age > 1"), {})
    assert profile_dependent(read('not in_segment("both")'), others)
    assert not profile_dependent(read('in_segment("low") or in_segment("round") or in_segment("gone")'), others)
