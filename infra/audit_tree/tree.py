"""The tree as it is stored: leaves, and the roots of 256 of them, of 256 of those, and so on.

Whatever a proof needs is computed from at most 255 stored hashes of each of these levels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from infra.errors import CloisterError
from policies.audit.merkle import Frontier, Node, Range, fold, perfect, root_of

STRIDE = 8
# Run it with `Plan.parameters`; lateral, so that each range is read by the key.
NODES = """
select r.place - 1 as place, n.hash
from unnest(%(levels)s::smallint[], %(lows)s::bigint[], %(highs)s::bigint[])
    with ordinality as r (level, low, high, place)
cross join lateral (
    select t.index, t.hash from audit.tree_hash as t
    where t.stream = %(stream)s and t.level = r.level and t.index >= r.low and t.index < r.high
    offset 0
) as n
order by r.place, n.index
"""


class TreeChanged(CloisterError):
    """The stored tree is not the one that was signed: somebody changed the log past its walls."""


@dataclass(frozen=True)
class Plan:
    """Which stored hashes some ranges of leaves are computed from."""

    ranges: tuple[Range, ...]

    @property
    def nodes(self) -> list[Node]:
        """The perfect subtrees of all ranges, one range after the other."""
        return [node for found in self.ranges for node in perfect(*found)]

    def parameters(self, stream: str) -> dict[str, Any]:
        """What `NODES` asks for."""
        stored = [_stored(*node) for node in self.nodes]
        levels, lows, highs = ([part[at] for part in stored] for at in range(3))
        return {"stream": stream, "levels": levels, "lows": lows, "highs": highs}

    def roots(self, rows: Iterable[Sequence[Any]]) -> list[bytes]:
        """The roots of the perfect subtrees, out of the rows of `NODES`.

        Raises:
            TreeChanged: a hash is missing.
        """
        found: list[list[bytes]] = [[] for _ in self.nodes]
        for place, node in rows:
            found[place].append(node)
        for node, hashes in zip(self.nodes, found, strict=True):
            _, low, high = _stored(*node)
            if len(hashes) != high - low:
                raise TreeChanged("hashes of the audit log's tree are missing", hint="verify an export")
        return [root_of(hashes) for hashes in found]

    def hashes(self, rows: Iterable[Sequence[Any]]) -> list[bytes]:
        """The root of each range, out of the rows of `NODES`.

        Raises:
            TreeChanged: a hash is missing.
        """
        roots = iter(self.roots(rows))
        return [fold([next(roots) for _ in perfect(*found)]) for found in self.ranges]


def frontier_of(connection: psycopg.Connection, stream: str, size: int) -> Frontier:
    """The right edge of the stored tree at that size.

    Raises:
        TreeChanged: a hash is missing.
    """
    plan = Plan(((0, size),))
    with connection.cursor(row_factory=psycopg.rows.tuple_row, binary=True) as cursor:
        return Frontier(size, plan.roots(cursor.execute(NODES, plan.parameters(stream))))


def completed(made: list[list[bytes]], size_before: int) -> list[tuple[int, int, bytes]]:
    """Of the subtrees that an append completed those that are stored: level, index and hash."""
    return [
        (level, index, node)
        for level in range(STRIDE, len(made), STRIDE)
        for index, node in enumerate(made[level], size_before >> level)
    ]


def _stored(level: int, index: int) -> tuple[int, int, int]:
    """The stored level below a perfect subtree, and the range of its nodes there."""
    up = level % STRIDE
    return level - up, index << up, (index + 1) << up
