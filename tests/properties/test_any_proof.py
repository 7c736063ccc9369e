"""Whatever the tree's size and whichever the leaf: proofs prove it, and nothing else; lines are RFC 8785's."""

import functools

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from policies.audit.canonical import LARGEST, line_of
from policies.audit.merkle import (
    Frontier,
    Range,
    consistency,
    fold,
    inclusion,
    leaf_hash,
    node_hash,
    perfect,
    root_of,
    verify_consistency,
    verify_inclusion,
)

MOST = 600
LEAVES = [leaf_hash(number.to_bytes(2)) for number in range(MOST)]
sizes = st.integers(1, MOST)


@functools.cache
def mth(low: int, high: int) -> bytes:
    """The definition of RFC 9162, 2.1.1, as it stands there."""
    if high - low == 1:
        return LEAVES[low]
    k = 1
    while k * 2 < high - low:
        k *= 2
    return node_hash(mth(low, low + k), mth(low + k, high))


def hashes(ranges: list[Range]) -> list[bytes]:
    return [mth(*found) for found in ranges]


def spoilt(path: list[bytes], where: int, bit: int) -> list[bytes]:
    at = where % len(path)
    return [*path[:at], (int.from_bytes(path[at]) ^ 1 << bit).to_bytes(32), *path[at + 1 :]]


@given(sizes, st.data())
def test_a_tree_that_grows_in_any_steps_has_the_root_of_the_definition(size: int, data: st.DataObject) -> None:
    frontier, at = Frontier(), 0
    while at < size:
        step = data.draw(st.integers(1, size - at))
        made = frontier.extend(LEAVES[at : at + step])
        for level, nodes in enumerate(made):
            for number, node in enumerate(nodes, at >> level):
                assert node == mth(number << level, (number + 1) << level)
        at += step
    assert frontier.root() == mth(0, size) == root_of(LEAVES[:size])
    assert frontier.roots == [mth(index << level, (index + 1) << level) for level, index in perfect(0, size)]
    assert Frontier(size, frontier.roots).root() == frontier.root()


@given(sizes, st.integers(0, MOST - 1), st.integers(0, 60), st.integers(0, 255))
def test_any_leaf_of_any_tree_is_proven_and_no_other(size: int, index: int, where: int, bit: int) -> None:
    index %= size
    path, root = hashes(inclusion(index, size)), mth(0, size)
    assert verify_inclusion(index, size, LEAVES[index], path, root)
    assert len(path) <= (size - 1).bit_length()
    other = (index + 1 + where) % size
    if other != index:
        assert not verify_inclusion(other, size, LEAVES[index], path, root)
        assert not verify_inclusion(index, size, LEAVES[other], path, root)
    if path:
        assert not verify_inclusion(index, size, LEAVES[index], spoilt(path, where, bit), root)
        assert not verify_inclusion(index, size, LEAVES[index], path[1:], root)
    assert not verify_inclusion(index, size, LEAVES[index], [*path, root], root)


@given(sizes, sizes, st.integers(0, 60), st.integers(0, 255))
def test_any_tree_is_proven_to_have_grown_out_of_any_smaller_one(first: int, size: int, where: int, bit: int) -> None:
    first, size = sorted((first, size))
    path, old, new = hashes(consistency(first, size)), mth(0, first), mth(0, size)
    assert verify_consistency(first, size, old, new, path)
    if first < size:
        assert not verify_consistency(first, size, new, new, path)
        assert not verify_consistency(first, size, old, old, path)
        assert not verify_consistency(first, size, old, new, spoilt(path, where, bit))
        assert not verify_consistency(first, size, old, new, path[1:])
    assert not verify_consistency(first, size, old, new, [*path, new])


@given(sizes, sizes)
def test_every_range_of_a_proof_is_cut_into_perfect_subtrees(index: int, size: int) -> None:
    index = (index - 1) % size
    for low, high in [*inclusion(index, size), *consistency(index + 1, size)]:
        nodes = perfect(low, high)
        assert all(start << level < high for level, start in nodes)
        assert fold([mth(start << level, (start + 1) << level) for level, start in nodes]) == mth(low, high)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
names = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
values = st.one_of(texts, st.integers(-LARGEST, LARGEST), st.lists(texts, max_size=4), st.none())


@given(st.dictionaries(names, values, max_size=12))
def test_the_line_of_an_event_is_rfc_8785s(fields: dict[str, object]) -> None:
    known = {name: value for name, value in fields.items() if value is not None}
    assert line_of(fields) == rfc8785.dumps(known)  # type: ignore[arg-type]
    assert b"\n" not in line_of(fields)


@pytest.mark.parametrize("number", [LARGEST + 1, -LARGEST - 1])
def test_a_number_that_json_may_not_hold_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="too large"):
        line_of({"patients": number})
