"""Whatever is done to a log of any size, verifying its export finds it, and names the first bad index."""

import functools
import json
from base64 import b64decode, b64encode
from collections.abc import Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from policies.audit.canonical import line_of
from policies.audit.export_format import ARCHIVED, Header, Unreadable, checkpoint_line, leaf_line
from policies.audit.merkle import Frontier, leaf_hash
from policies.audit.note import BadNote, Checkpoint, Signer
from policies.audit.verify import Broken, Verified, verify

ORIGIN = "cloister/one/access"
SIGNER = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
EVERY = 8  # leaves between two checkpoints of an export
sizes = st.integers(1, 60)
numbers = st.integers(0, 10**6)


def event(index: int, action: str = "member.list") -> bytes:
    return line_of({"index": index, "action": action, "nonce": f"{index * 7919:032x}"})


def export(
    events: Sequence[bytes | None], first: int = 0, signer: Signer = SIGNER, scope: str = "platform"
) -> list[bytes]:
    """The lines of an export from `first` on; an event that is None stands in it as a hash."""
    frontier, lines = Frontier(), []
    for index, line in enumerate(events):
        if index == first:
            lines = [Header(ORIGIN, scope, (SIGNER.verifier,), first, tuple(frontier.roots)).line()]
        leaf = leaf_hash(event(index) if line is None else line)
        frontier.extend([leaf])
        lines.append(leaf_line(leaf, line))
        if not (index + 1) % EVERY or index + 1 == len(events):
            note = Checkpoint(ORIGIN, frontier.size, frontier.root()).signed([signer])
            lines.append(checkpoint_line(note))
    return [line + b"\n" for line in lines]


@functools.cache
def whole(size: int) -> list[bytes]:
    return export([event(index) for index in range(size)])


def note_at(size: int, signer: Signer = SIGNER, action: str = "member.list") -> str:
    frontier = Frontier()
    frontier.extend([leaf_hash(event(index, action)) for index in range(size)])
    return Checkpoint(ORIGIN, size, frontier.root()).signed([signer])


def check(lines: Sequence[bytes], *older: str) -> Verified:
    return verify(lines, [SIGNER.verifier], older)


def bad_index(lines: Sequence[bytes], *older: str) -> tuple[int, int]:
    with pytest.raises(Broken) as broken:
        check(lines, *older)
    return broken.value.first, broken.value.last


def place(lines: Sequence[bytes], index: int) -> int:
    """Where a leaf stands."""
    return [at for at, line in enumerate(lines) if at and not line.startswith(b'"')][index]


@given(sizes, sizes, numbers)
def test_a_whole_log_verifies_with_every_older_checkpoint_from_any_leaf_on(size: int, old: int, start: int) -> None:
    old = min(old, size)
    assert check(whole(size), note_at(old), note_at(size)).events == size
    first = start % old
    part = export([event(index) for index in range(size)], first)
    found = check(part, note_at(old))
    assert (found.events, found.checkpoint.size, found.header.first) == (size - first, size, first)


@pytest.mark.check(24)
@given(sizes, numbers, numbers)
def test_an_edited_event_is_named(size: int, where: int, byte: int) -> None:
    index = where % size
    lines = list(whole(size))
    at = place(lines, index)
    line = bytearray(lines[at])
    line[45 + 1 + byte % (len(line) - 47)] ^= 1  # any bit of the event but the brace that says it is one
    lines[at] = bytes(line)
    assert bad_index(lines) == (index, index)


@pytest.mark.check(24)
@given(sizes, numbers)
def test_an_event_that_was_edited_with_its_hash_is_narrowed_down_to_a_checkpoint(size: int, where: int) -> None:
    index = where % size
    lines = list(whole(size))
    changed = event(index, "clinic.list")
    lines[place(lines, index)] = leaf_line(leaf_hash(changed), changed) + b"\n"
    first, last = bad_index(lines)
    assert first == index - index % EVERY and index <= last < first + EVERY


@pytest.mark.check(24)
@given(sizes, numbers)
def test_a_deleted_event_is_named(size: int, where: int) -> None:
    index = where % size
    lines = list(whole(size))
    at = place(lines, index)
    first, _ = bad_index(lines[:at] + lines[at + 1 :])
    # The next event stands at the place of the one that is gone; the last before a checkpoint only lacks there.
    last = index + 1 == size or not (index + 1) % EVERY
    assert first == (index - index % EVERY if last else index)
    hidden = [*lines[:at], lines[at][:44] + b"\n", *lines[at + 1 :]]
    assert bad_index(hidden) == (index, index)
    assert bad_index([*lines[:at], b"missing\n", *lines[at + 1 :]]) == (index, index)


@pytest.mark.check(24)
@given(st.integers(2, 60), numbers, numbers)
def test_events_that_changed_places_are_named(size: int, one: int, other: int) -> None:
    low, high = sorted((one % size, other % size))
    lines = list(whole(size))
    a, b = place(lines, low), place(lines, high)
    lines[a], lines[b] = lines[b], lines[a]
    if low != high:
        assert bad_index(lines) == (low, low)


@pytest.mark.check(24)
@given(sizes, numbers, numbers)
def test_a_log_whose_tail_was_cut_is_known_by_an_older_checkpoint(size: int, cut: int, lines_cut: int) -> None:
    kept = cut % size
    if kept:
        assert bad_index(whole(kept), note_at(size)) == (kept, kept)
    lines = whole(size)[: 1 + lines_cut % (len(whole(size)) - 1)]
    # An export that ends with a leaf is cut itself; one that ends with a checkpoint is that of a shorter log.
    older = [note_at(size)] if lines[-1].startswith(b'"') else []
    assert bad_index(lines, *older)


@pytest.mark.check(24)
@given(sizes, sizes, numbers)
def test_a_log_that_was_rewritten_with_its_key_is_known_by_an_older_checkpoint(size: int, old: int, where: int) -> None:
    old = min(old, size)
    index = where % old
    rewritten = export([event(n, "clinic.list" if n == index else "member.list") for n in range(size)])
    assert check(rewritten).events == size
    first, last = bad_index(rewritten, note_at(old))
    assert first <= index <= last < old


@pytest.mark.check(25)
@given(sizes)
def test_two_roots_of_one_size_are_a_clone(size: int) -> None:
    clone = note_at(size, action="clinic.list")
    with pytest.raises(Broken, match=f"two roots of one size, {size}: "):
        check(whole(size), clone)
    with pytest.raises(Broken, match=f"two roots of one size, {size}, are signed"):
        check(whole(60), note_at(size), clone)


@given(sizes, st.sets(st.integers(0, 59)))
def test_other_clinics_events_are_hashes_in_a_clinics_export_alone(size: int, foreign: set[int]) -> None:
    events = [None if index in foreign else event(index) for index in range(size)]
    lines = export(events, scope="clinic:north")
    found = check(lines, note_at(size))
    assert (found.events, found.hashes) == (size - events.count(None), events.count(None))
    if None in events:
        assert bad_index(export(events)) == (events.index(None), events.index(None))


@pytest.mark.check(24)
@given(sizes, st.sets(st.integers(0, 59)), st.sets(st.integers(0, 59)))
def test_what_is_said_to_be_archived_is_in_an_archive(size: int, gone: set[int], lost: set[int]) -> None:
    """The archive of what is gone, but for what was lost; hashes stand in it for the rest."""
    gone = {index for index in gone if index < size}
    lines = list(whole(size))
    for at in (place(lines, index) for index in gone):
        lines[at] = lines[at][:44] + b" " + ARCHIVED + b"\n"
    kept = [event(index) if index in gone - lost else None for index in range(size)]
    archive = check(export(kept, scope="month:2015_03"))
    assert {index for span in archive.spans for index in span} == gone - lost
    if gone & lost:
        with pytest.raises(Broken) as broken:
            verify(lines, [SIGNER.verifier], archives=[archive])
        assert broken.value.first == min(gone & lost)
    else:
        found = verify(lines, [SIGNER.verifier], archives=[archive, archive])
        assert (found.events, found.archived) == (size - len(gone), len(gone))


@pytest.mark.check(24)
@given(st.lists(st.sampled_from(["own", "other", "old"]), min_size=1, max_size=40), numbers, st.integers(0, 3))
def test_none_is_taken_out_from_between_a_clinics_own(kinds: list[str], where: int, before: int) -> None:
    kinds.sort(key=lambda kind: kind != "old")  # sealed before events had numbers, so before all that have one
    own = [index for index, kind in enumerate(kinds) if kind == "own"]
    counted = {index: number for number, index in enumerate(own, before + 1)}
    events = [
        None if kind == "other" else line_of({"index": index, "clinic_number": counted.get(index), "nonce": "x"})
        for index, kind in enumerate(kinds)
    ]
    lines = export(events, scope="clinic:north")
    assert check(lines).numbers == ((before, before + len(own)) if own else None)
    if len(own) > 2:
        taken = 1 + where % (len(own) - 2)
        at = place(lines, own[taken])
        first, last = bad_index([*lines[:at], lines[at][:44] + b"\n", *lines[at + 1 :]])
        assert (first, last) == (own[taken - 1] + 1, own[taken + 1] - 1)


def test_a_signature_of_somebody_else_is_none() -> None:
    forged = export([event(index) for index in range(5)], signer=OTHER)
    with pytest.raises(Unreadable, match="no known key"):
        check(forged)
    with pytest.raises(BadNote, match="no known key"):
        check(whole(5), note_at(5, OTHER))
    with pytest.raises(BadNote, match="another log"):
        check(whole(5), Checkpoint("cloister/two/access", 5, bytes(32)).signed([Signer(ORIGIN, SIGNER.private)]))
    # Without a key of one's own, the one that the export names is taken.
    assert verify(whole(5), []).events == 5


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"", "line 2"), (b"x\n", "line 2"), (b"{}\n", "line 2"), (b"[" * 100_000, "line 2"), (b'"x"\n', "line 2"),
        (b64encode(bytes(31)) + b"\n", "line 2"), (b64encode(bytes(32)) + b" x\n", "line 2"), (b"\xff\x00\n", "line 2"),
        (whole(2)[1][:-1], "line 2: cut off"),
        (b'"' + b"\\ud800" * 9 + b'"\n', "line 2"), (b"1" * 2**26, "longer than"),
    ],
)  # fmt: skip
def test_what_is_no_line_of_an_export_is_named(line: bytes, text: str) -> None:
    header = whole(1)[0]
    with pytest.raises((Unreadable, Broken), match=text if line else "cut"):
        check([header, *([line] if line else [])])


@given(st.binary(max_size=60) | st.sampled_from([b"", b"{}", b"null", b'{"format":1}', b"[" * 100_000]))
def test_what_is_no_header_is_named(line: bytes) -> None:
    with pytest.raises(Unreadable, match="line 1"):
        check([line])


@pytest.mark.parametrize("change", [{"first": 3}, {"first": -1}, {"roots": ["AA=="]}, {"keys": ["x"]}, {"first": "x"}])
def test_a_header_that_contradicts_itself_is_refused(change: dict[str, object]) -> None:
    lines = whole(4)
    header = json.dumps({**json.loads(lines[0]), **change}).encode()
    with pytest.raises(Unreadable, match="line 1"):
        check([header, *lines[1:]])
    assert b64decode(b64encode(bytes(32))) == bytes(32)
