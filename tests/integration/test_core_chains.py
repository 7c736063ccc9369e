"""The operational core under any history: random chains through the API, compared with a model after each act.

A chain that fails prints its history, and its seed makes it again.
"""

import access_world
import pytest
from access_world import World
from core_holds import Holds
from core_law import ACTS, Lawful
from core_looks import compare, looks
from provisional import Mailbox, mailbox

from tests.histories import seeds

__all__ = ["mailbox"]
LENGTH = 40
# How many, of some two hundred, look after each act; after the last one everybody does.
LOOKS = 8


@pytest.mark.check(11)
@pytest.mark.check(13)
@pytest.mark.check(33)
@pytest.mark.check(34)
@pytest.mark.check(52)
@pytest.mark.parametrize("seed", seeds(1, 2, 3, 4))
def test_whatever_happens_everybody_sees_what_they_may(fresh: World, mailbox: Mailbox, seed: int) -> None:
    with access_world.client(fresh.server) as api:
        chain = Lawful(fresh, api, mailbox, seed)
        try:
            _act(chain)
        except BaseException as failure:
            failure.add_note("\n".join([*(line for line in chain.history if " GET " not in line), chain.history[-1]]))
            raise


def _act(chain: Lawful) -> None:
    holds = Holds(chain)
    # Some acts often and some never, so that one chain gets deep into what another hardly touches.
    weights = [many * chain.random.choice([0, 1, 1, 3]) for many in ACTS.values()]
    for left in reversed(range(LENGTH)):
        (act,) = chain.random.choices(list(ACTS), weights)
        chain.history.append(f"-- {act}")
        getattr(chain, act)()
        chain.model.lower_ages()
        found = list(looks(chain))
        for look in chain.random.sample(found, min(LOOKS, len(found))) if left else found:
            compare(chain, look)
        holds.check()
    holds.check_mail()
