"""Merkle trees as RFC 9162, 2.1 (and RFC 6962) has them: SHA-256, a leaf and a node each with a prefix of its own.

A range `(low, high)` of leaves stands for the root over them. What a proof is made of is such ranges; `perfect`
cuts one into perfect subtrees, each named by level and index, of which whoever holds the tree knows the hashes.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256().digest()

Range = tuple[int, int]
Node = tuple[int, int]


def leaf_hash(line: bytes) -> bytes:
    """MTH of one entry (RFC 9162, 2.1.1)."""
    return sha256(b"\x00" + line).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """MTH of two subtrees (RFC 9162, 2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: the roots of the perfect subtrees that its leaves make up.

    It takes 32 bytes for each bit of the size, and is all that appending and the root need.
    """

    def __init__(self, size: int = 0, roots: Iterable[bytes] = ()) -> None:
        """A tree of `size` leaves; `roots` are those of its perfect subtrees, from the left (see `perfect`)."""
        levels = [level for level in range(size.bit_length()) if size >> level & 1]
        self.size = size
        self._at = dict(zip(reversed(levels), roots, strict=True))

    @property
    def roots(self) -> list[bytes]:
        """The roots of the perfect subtrees, from the left."""
        return [self._at[level] for level in sorted(self._at, reverse=True)]

    def extend(self, leaves: Sequence[bytes]) -> list[list[bytes]]:
        """Append leaf hashes; return the perfect subtrees that this completed, by level from 0 on.

        Those of a level follow each other; the first has the index of the size before, shifted by the level.
        """
        made = []
        nodes, level = list(leaves), 0
        while nodes:
            made.append(nodes)
            # An odd one out waits for its right sibling, as in the carry of an addition.
            waiting = self._at.pop(level, None)
            run = nodes if waiting is None else [waiting, *nodes]
            if len(run) % 2:
                self._at[level] = run[-1]
            nodes = [sha256(b"\x01" + left + right).digest() for left, right in zip(run[::2], run[1::2], strict=False)]
            level += 1
        self.size += len(leaves)
        return made

    def root(self) -> bytes:
        """The root over all leaves."""
        return fold(self.roots)


def fold(roots: Sequence[bytes]) -> bytes:
    """The root over neighbouring perfect subtrees, each smaller than the one on its left."""
    if not roots:
        return EMPTY_ROOT
    *others, root = roots
    for left in reversed(others):
        root = node_hash(left, root)
    return root


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


def perfect(low: int, high: int) -> list[Node]:
    """The perfect subtrees of a range, from the left; `low` is a multiple of the range's largest."""
    nodes = []
    while low < high:
        level = (high - low).bit_length() - 1
        nodes.append((level, low >> level))
        low += 1 << level
    return nodes


def inclusion(index: int, size: int) -> list[Range]:
    """What proves that a leaf is in the tree of that size (PATH of RFC 9162, 2.1.3.1), from the leaf up.

    Raises:
        ValueError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError("no such leaf")
    low, high, path = 0, size, []
    while high - low > 1:
        middle = _split(low, high)
        if index < middle:
            path.append((middle, high))
            high = middle
        else:
            path.append((low, middle))
            low = middle
    return path[::-1]


def consistency(first: int, size: int) -> list[Range]:
    """What proves that a tree grew out of its first leaves (SUBPROOF of RFC 9162, 2.1.4.1), from the bottom up.

    Raises:
        ValueError: no leaves, or more than the tree has.
    """
    if not 0 < first <= size:
        raise ValueError("no such tree")
    low, high, path = 0, size, []
    while first != high:
        middle = _split(low, high)
        if first <= middle:
            path.append((middle, high))
            high = middle
        else:
            path.append((low, middle))
            low = middle
    return [*([(low, high)] if low else []), *path[::-1]]


def verify_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> bool:
    """Whether the path leads from the leaf hash at the index to the root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or len(leaf) != HASH_BYTES:
        return False
    position, last, found = index, size - 1, leaf
    for step in path:
        if not last:
            return False
        if position & 1 or position == last:
            found = node_hash(step, found)
            position, last = _skip(position, last)
        else:
            found = node_hash(found, step)
        position, last = position >> 1, last >> 1
    return not last and found == root


def verify_consistency(first: int, size: int, first_root: bytes, root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the path shows the tree of `size` to have grown out of the first one (RFC 9162, 2.1.4.2)."""
    if not 0 < first <= size:
        return False
    if first == size:
        return not path and first_root == root
    if not path:
        return False
    # A first tree that is perfect is itself the start of the path.
    start, *steps = path if first & (first - 1) else [first_root, *path]
    position, last = first - 1, size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = start
    for step in steps:
        if not last:
            return False
        if position & 1 or position == last:
            old, new = node_hash(step, old), node_hash(step, new)
            position, last = _skip(position, last)
        else:
            new = node_hash(new, step)
        position, last = position >> 1, last >> 1
    return not last and old == first_root and new == root


def _split(low: int, high: int) -> int:
    """Where the left subtree ends: the largest power of two below the size."""
    return low + (1 << (high - low - 1).bit_length() - 1)


def _skip(position: int, last: int) -> Node:
    """Climb past the levels where the node at the right edge has no sibling."""
    while position and not position & 1:
        position, last = position >> 1, last >> 1
    return position, last
