"""Whatever comes instead of a rule is refused in words that can be shown; how fast, the benchmarks measure."""

import json
from collections.abc import Callable

import pytest

from bench.hostile_rules import hostile
from policies.segments.rule import Rule, RuleError

HOSTILE = hostile()


@pytest.mark.check(41)
@pytest.mark.parametrize("read", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_rule_is_refused_in_words_that_can_be_shown(read: Callable[[], Rule]) -> None:
    with pytest.raises(RuleError) as caught:
        read()
    said = json.dumps({"detail": str(caught.value), "place": caught.value.place}, ensure_ascii=False)
    assert len(said.encode()) < 1_000 and said.isprintable()
