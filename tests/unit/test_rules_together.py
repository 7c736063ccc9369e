"""A rule beside the clinic's others: where it is said to be wrong, in either form."""

import pytest

from api.segments.rules import check_together, rule_of
from infra.errors import InvalidInput

OTHERS = {"base": 'in_segment("top")', "low": "adherence.completion_rate(30d) < 0.5", "top": 'in_segment("tried")'}


@pytest.mark.parametrize(
    ("rule", "place", "said"),
    [
        ({"any": [{"in_segment": "low"}, {"in_segment": "lwo"}]}, "body.rule.any.1.in_segment", "mean 'low'"),
        ('in_segment("low")\n  or in_segment("lwo")', "body.rule, line 2, column 6", "mean 'low'"),
        ({"not": {"in_segment": "base"}}, "body.rule.not.in_segment", "→"),
        ('in_segment("low") or not in_segment("base")', "body.rule, line 1, column 26", "→"),
        ('in_segment("tried")', "body.rule, line 1, column 1", "tried → tried"),
    ],
)
def test_who_names_what_is_not_there_or_itself_is_told_where(rule: object, place: str, said: str) -> None:
    others = {slug: rule_of(text).rule for slug, text in OTHERS.items()}
    if "tried →" in said:
        others = {}
    elif "→" not in said:
        others["top"] = others["low"]
    tried = rule_of(rule)
    with pytest.raises(InvalidInput) as caught:
        check_together({**others, "tried": tried.rule}, "tried", tried.at)
    assert caught.value.place == place and said in str(caught.value.detail)


def test_what_is_no_rule_is_told_by_its_place_in_the_body() -> None:
    for rule, place in (("age > x", "body.rule, line 1, column 7"), ({"all": 1}, "body.rule.all")):
        with pytest.raises(InvalidInput) as caught:
            rule_of(rule)
        assert caught.value.place == place
