"""How long a delivery or a message waits before it is tried again."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from api.messages import sender as messages
from api.webhooks import sender as webhooks


@pytest.mark.parametrize(
    ("waiting", "first", "longest"),
    [
        (webhooks.waiting, timedelta(seconds=5), timedelta(hours=4)),
        (messages.waiting, timedelta(seconds=30), timedelta(hours=6)),
    ],
    ids=["webhooks", "messages"],
)
def test_each_wait_is_twice_as_long_up_to_a_longest_a_quarter_more_or_less(
    waiting: Callable[[int], timedelta], first: timedelta, longest: timedelta
) -> None:
    bare = first
    for attempts in range(1, 41):
        drawn = [waiting(attempts) for _ in range(100)]
        assert bare * 0.75 <= min(drawn) < max(drawn) <= bare * 1.25
        # Of a hundred draws, some are early and some late: not all endpoints come back at once.
        assert min(drawn) < bare < max(drawn)
        bare = min(bare * 2, longest)
