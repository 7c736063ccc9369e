"""Of any counts, none that is told is small, leaves few over, or gives away one that is not told."""

from hypothesis import given
from hypothesis import strategies as st

from api.segments.counts import day_with_rounded
from policies.small_counts import SMALLEST, told

parts = st.lists(st.integers(0, 60), min_size=1, max_size=6)


@given(parts)
def test_nothing_small_is_told_and_nothing_that_leaves_few_over(counts: list[int]) -> None:
    whole = sum(counts)
    for count in counts:
        found = told(count, whole)
        if found is None:
            assert count < SMALLEST or whole - count < SMALLEST
        else:
            assert found % 10 == 0 and found <= count < found + 10 and whole - count >= SMALLEST


@given(parts, st.integers(0, SMALLEST - 1))
def test_the_others_and_the_whole_do_not_give_away_what_is_not_told(counts: list[int], hidden: int) -> None:
    """Whatever the small one was, there is another that the same could have been told of, the whole included."""
    others = [count for count in counts if told(count, sum(counts) + hidden) is not None]
    if not others:
        return
    least = sum(count // 10 * 10 for count in others)
    most = least + 9 * len(others)
    whole = sum(counts) + hidden
    told_whole = whole // 10 * 10
    possible = {w - o for w in range(told_whole, told_whole + 10) for o in range(least, most + 1)}
    rest = whole - sum(others)
    assert rest in possible and len({value for value in possible if value >= 0}) > 1


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_a_day_tells_of_no_few_who_came_went_stayed_or_kept_away(came: int, went: int, stayed: int, away: int) -> None:
    """`went` were members before; `came` and `stayed` are at the end of the day, `away` and `went` are not."""
    counts = {"entered": came, "left": went, "members": came + stayed, "patients": came + went + stayed + away}
    found = day_with_rounded({"day": None, **counts, "entered_by": {"data": came}, "left_by": {"data": went}})
    assert found["entered_by"] == found["left_by"] == {}
    for name, left_over in (("entered", away), ("left", came + stayed), ("members", went + away)):
        assert (found[name] is not None) == (counts[name] >= SMALLEST and left_over >= SMALLEST)
