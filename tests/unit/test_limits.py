"""Token buckets: how many pass, how they fill again, and that memory stays bounded."""

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import limits
from api.limits import BURST_SECONDS, Buckets, Places, TooMany, TooManyFiles, address_name


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def passes(buckets: Buckets, name: str) -> bool:
    try:
        buckets.take(name)
    except TooMany:
        return False
    return True


def test_a_bucket_empties_and_fills_again() -> None:
    clock = Clock()
    buckets = Buckets(2, clock)
    assert [passes(buckets, "a") for _ in range(2 * BURST_SECONDS + 1)] == [True] * 2 * BURST_SECONDS + [False]
    assert passes(buckets, "b")
    clock.now += 0.5
    assert [passes(buckets, "a") for _ in range(2)] == [True, False]


def test_who_comes_back_when_told_is_let_in() -> None:
    clock = Clock()
    buckets = Buckets(0.3, clock)
    while passes(buckets, "a"):
        pass
    with pytest.raises(TooMany) as refused:
        buckets.take("a")
    clock.now += refused.value.retry_after
    assert passes(buckets, "a")


@given(st.lists(st.floats(0, 3), max_size=60), st.floats(0.2, 5))
def test_no_rhythm_gets_more_than_burst_and_rate(pauses: list[float], rate: float) -> None:
    clock = Clock()
    buckets = Buckets(rate, clock)
    passed = 0
    for pause in pauses:
        clock.now += pause
        passed += passes(buckets, "a")
    assert passed <= math.floor(max(1.0, rate * BURST_SECONDS) + rate * clock.now + 1e-6)


def test_memory_is_bounded_and_the_least_used_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST", 10)
    buckets = Buckets(0.1, Clock())
    assert passes(buckets, "often")
    for number in range(100):
        passes(buckets, f"n{number}")
        assert not passes(buckets, "often")
        assert len(buckets) <= 10


def test_zero_is_no_limit() -> None:
    buckets = Buckets(0, Clock())
    assert all(passes(buckets, "a") for _ in range(1000))
    assert len(buckets) == 0


@pytest.mark.parametrize(
    ("address", "name"),
    [("192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"), ("::ffff:192.0.2.7", "192.0.2.7"),
     (None, "none"), ("a socket", "none")],
)  # fmt: skip
def test_one_sender_is_one_name(address: str | None, name: str) -> None:
    assert address_name(address) == name


def test_places_of_one_name_are_no_other_names_and_one_more_is_refused_by_its_word() -> None:
    places = Places(2, TooManyFiles)
    with places.place("finch"), places.place("finch"), places.place("wren"):
        with pytest.raises(TooManyFiles) as refused:
            places.place("finch").__enter__()
        assert refused.value.retry_after > 0
    with places.place("finch"):
        pass


def test_places_are_so_many_and_come_back_however_they_are_left() -> None:
    places = Places(1)
    with suppress(ZeroDivisionError), places.place():
        with pytest.raises(TooMany):
            places.place().__enter__()
        raise ZeroDivisionError
    with places.place():
        pass
