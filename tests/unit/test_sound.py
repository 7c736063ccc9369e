"""Who is to blame where segments fail together, and who is left out with them."""

from uuid import UUID

import pytest

from policies.segments.compiler import ActiveSegment
from policies.segments.sound import to_blame, without
from policies.segments.text import read


def segment(number: int, rule: str) -> ActiveSegment:
    return ActiveSegment(UUID(int=number), 1, read(rule), f"s{number}")


SEGMENTS = [
    segment(1, "age > 1"), segment(2, 'in_segment("s1")'), segment(3, 'in_segment("s2") and age > 3'),
    segment(4, "age > 4"), segment(5, 'in_segment("s4")'),
]  # fmt: skip


@pytest.mark.parametrize("to_fail", [set(), {1}, {3}, {2, 4}, {1, 2, 3, 4, 5}])
def test_those_are_to_blame_that_fail_by_themselves(to_fail: set[int]) -> None:
    def fails(segments: list[ActiveSegment]) -> bool:
        return any(segment.segment_id.int in to_fail for segment in segments)

    blamed = {segment.segment_id.int for segment in to_blame(SEGMENTS, fails)}
    assert blamed == (to_fail if len(to_fail) < 5 else {1, 4})


def test_without_some_those_that_name_them_are_left_out_too() -> None:
    assert without(SEGMENTS, {UUID(int=1)}) == SEGMENTS[3:]
    assert without(SEGMENTS, {UUID(int=5)}) == SEGMENTS[:4]
    assert without(SEGMENTS, set()) == SEGMENTS
