"""Verifying an export against older checkpoints: nothing in it was edited, deleted, reordered or cut.

Nothing of an export is believed but what a known key signed: hashes are computed anew, and compared with the roots
of the signed checkpoints in the export and of older ones, which whoever verifies has kept.
"""

import json
import re
from base64 import b64decode
from binascii import Error, b2a_base64
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from policies.audit.export_format import (
    ARCHIVED,
    CLINIC,
    HASH_CHARACTERS,
    LONGEST,
    MISSING,
    PLATFORM,
    Header,
    Unreadable,
    read_header,
)
from policies.audit.merkle import HASH_BYTES, Frontier
from policies.audit.note import BadNote, Checkpoint, Verifier, open_checkpoint

BLOCK = 4096  # leaves between which the tree is extended
_NUMBER = re.compile(rb'"clinic_number":([0-9]+),')


class Broken(ValueError):
    """The log was changed; `first` is the first bad index, or that of the earliest leaf that may be."""

    def __init__(self, first: int, reason: str, *, last: int | None = None) -> None:
        where = f"index {first}" if last in (None, first) else f"an index from {first} to {last}"
        super().__init__(f"{where}: {reason}")
        self.first = first
        self.last = first if last is None else last


@dataclass(frozen=True)
class Verified:
    """What an export turned out to hold."""

    header: Header
    checkpoint: Checkpoint
    events: int
    hashes: int
    archived: int
    # The indices whose events it holds.
    spans: tuple[range, ...]
    # In a clinic's export, how many of that clinic's events came before, and how many there were at its end.
    numbers: tuple[int, int] | None = None


def verify(
    lines: Iterable[bytes], known: Sequence[Verifier], older: Sequence[str] = (), archives: Sequence[Verified] = ()
) -> Verified:
    """Verify an export, line by line; `known` are the keys to trust, by default those that it names itself.

    What it says to be archived has to be in one of `archives`, which were verified before.

    Raises:
        Unreadable: a line that is none of an export.
        BadNote: an older checkpoint or an archive that is none, is another log's, or is signed by no known key.
        Broken: the first bad index, and what is wrong there.
    """
    rest = iter(lines)
    header = read_header(next(rest, b""))
    keys = [key for key in known or header.keys if key.name == header.origin]
    if any(archive.header.origin != header.origin for archive in archives):
        raise BadNote("the archive is of another log")
    held = deque(sorted((span for archive in archives for span in archive.spans), key=lambda span: span.start))
    return _Verification(header, keys, _opened(header, keys, older), held).run(rest)


def _opened(header: Header, keys: list[Verifier], older: Sequence[str]) -> list[Checkpoint]:
    found = sorted((open_checkpoint(note, keys) for note in older), key=lambda checkpoint: checkpoint.size)
    for before, checkpoint in zip([None, *found], found, strict=False):
        if checkpoint.origin != header.origin:
            raise BadNote("the older checkpoint is of another log")
        if checkpoint.size < header.first:
            raise BadNote("the older checkpoint lies before this export")
        if before and before.size == checkpoint.size and before.root != checkpoint.root:
            raise Broken(0, f"two roots of one size, {checkpoint.size}, are signed: the log has a clone")
    return found


@dataclass
class _Verification:
    header: Header
    keys: list[Verifier]
    older: list[Checkpoint]
    held: deque[range]
    events: int = 0
    hashes: int = 0
    archived: int = 0
    # How far the tree is the one that was signed, by the checkpoints beside it and by those that were kept elsewhere.
    good: int = 0
    kept: int = 0
    signed: Checkpoint | None = None
    spans: list[range] = field(default_factory=list)
    since: int = 0  # what follows the last leaf that is a hash alone
    numbers: tuple[int, int] | None = None
    numbered: int = 0  # what follows the last event with a number
    frontier: Frontier = field(init=False)

    def __post_init__(self) -> None:
        self.frontier = self.header.frontier
        self.good = self.kept = self.since = self.header.first

    def run(self, lines: Iterator[bytes]) -> Verified:
        """All of it, to the last line."""
        self._compare_older()
        leaves: list[bytes] = []
        index = self.header.first
        of_a_clinic = self.header.scope.startswith(CLINIC)
        for number, line in enumerate(lines, 2):
            if line[HASH_CHARACTERS : HASH_CHARACTERS + 2] == b" {":  # most lines, and so the first question
                digest = sha256(b"\x00" + line[HASH_CHARACTERS + 1 : -1]).digest()
                if b2a_base64(digest, newline=False) != line[:HASH_CHARACTERS] or line[-1] != 10:
                    self._refuse(number, index, line, leaves)
                if b'"index":%d,' % index not in line:
                    self._add(leaves)
                    raise Broken(index, "the event of another place stands here")
                if of_a_clinic:
                    self._number(index, line, leaves)
                self.events += 1
            elif line[:1] == b'"':
                self._add(leaves)
                self._checkpoint(number, line)
                continue
            else:
                digest = self._hash_alone(number, index, line, leaves)
            leaves.append(digest)
            index += 1
            if len(leaves) == BLOCK or (self.older and index == self.older[0].size):
                self._add(leaves)
        self._add(leaves)
        return self._end()

    def _add(self, leaves: list[bytes]) -> None:
        self.frontier.extend(leaves)
        leaves.clear()
        self._compare_older()

    def _compare_older(self) -> None:
        while self.older and self.older[0].size == self.frontier.size:
            checkpoint = self.older.pop(0)
            reason = f"two roots of one size, {checkpoint.size}: the log was rewritten, or has a clone"
            self._compare(checkpoint, self.kept, reason)
            self.kept = checkpoint.size

    def _compare(self, checkpoint: Checkpoint, good: int, reason: str) -> None:
        if checkpoint.root != self.frontier.root():
            raise Broken(min(good, checkpoint.size - 1), reason, last=checkpoint.size - 1)
        self.good = checkpoint.size

    def _checkpoint(self, number: int, line: bytes) -> None:
        try:
            note = json.loads(line)
            checkpoint = open_checkpoint(note, self.keys)
        except BadNote as error:
            raise Unreadable(number, str(error)) from None
        except ValueError:
            raise Unreadable(number, "neither a leaf nor a checkpoint") from None
        if checkpoint.origin != self.header.origin:
            raise Unreadable(number, "a checkpoint of another log")
        if checkpoint.size != self.frontier.size:
            size, here = checkpoint.size, self.frontier.size
            raise Broken(min(self.good, size, here), f"{here} leaves stand before the checkpoint of {size}", last=here)
        self._compare(checkpoint, self.good, "the checkpoint was signed for other events")
        self.signed = checkpoint

    def _hash_alone(self, number: int, index: int, line: bytes, leaves: list[bytes]) -> bytes:
        """The hash of a leaf whose event is not in the export, if it need not be."""
        text, end = line[:-1], line[-1:]
        if len(line) >= LONGEST:
            raise Unreadable(number, f"longer than {LONGEST:,} bytes")
        if text == MISSING:
            self._add(leaves)
            raise Broken(index, "the leaf is not there any more")
        leaf, _, rest = text.partition(b" ")
        try:
            digest = b64decode(leaf, validate=True)
        except Error:
            digest = b""
        if len(digest) != HASH_BYTES or end != b"\n" or rest not in (b"", ARCHIVED):
            raise Unreadable(number, "neither a leaf nor a checkpoint")
        if not rest and self.header.scope == PLATFORM:
            self._add(leaves)
            raise Broken(index, "the event is not there any more, only its hash")
        if rest and not self._in_archive(index):
            self._add(leaves)
            raise Broken(index, "the event is said to lie in an archive, and in none that was given")
        self.archived += bool(rest)
        self.hashes += not rest
        self._leave_out(index)
        return digest

    def _number(self, index: int, line: bytes, leaves: list[bytes]) -> None:
        """Hold an event of a clinic against the one before: none was taken out between them."""
        found = _NUMBER.search(line)
        if found is None:  # sealed before events had numbers
            return
        number = int(found[1])
        before, last = self.numbers or (number - 1, number - 1)
        if number != last + 1:
            self._add(leaves)
            reason = f"of the clinic's events, {number} follows {last}: one stands here as a hash alone"
            raise Broken(self.numbered, reason, last=max(index - 1, self.numbered))
        self.numbers = before, number
        self.numbered = index + 1

    def _in_archive(self, index: int) -> bool:
        while self.held and self.held[0].stop <= index:
            self.held.popleft()
        return bool(self.held) and index in self.held[0]

    def _leave_out(self, index: int) -> None:
        if index > self.since:
            self.spans.append(range(self.since, index))
        self.since = index + 1

    def _refuse(self, number: int, index: int, line: bytes, leaves: list[bytes]) -> None:
        """Say why an event is not what was sealed."""
        if line[-1:] != b"\n":
            reason = f"longer than {LONGEST:,} bytes" if len(line) >= LONGEST else "cut off"
            raise Unreadable(number, reason)
        self._add(leaves)
        raise Broken(index, "the event is not the one that was sealed")

    def _end(self) -> Verified:
        size = self.frontier.size
        if self.signed is None or self.signed.size != size:
            raise Broken(size, "the export ends here, without a checkpoint: it was cut")
        if self.older:
            raise Broken(size, f"the log ends here, and had {self.older[-1].size} leaves: its tail was cut")
        self._leave_out(size)
        spans = tuple(self.spans)
        return Verified(self.header, self.signed, self.events, self.hashes, self.archived, spans, self.numbers)
