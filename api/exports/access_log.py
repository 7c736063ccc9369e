"""Who read a person at one clinic, a line an access, with proofs that these are in the sealed log."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from api.audit import tree
from api.audit.proof_schemas import Stream, encoded
from api.database import Pool
from api.exports.repository import MOST_ACCESSES
from infra.errors import NotThere
from policies.audit.merkle import inclusion
from policies.classification import ASSET_CATEGORIES
from policies.words import ProcessAction

# Each proof reads up to 255 hashes of its own; those of older accesses are asked for one by one.
MOST_PROVEN = 500
FIELDS = ("occurred_at", "role", "organisation", "action", "purpose", "categories")


async def lines(pool: Pool, clinic: str, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """JSON lines: first what the log is and its newest checkpoint, then the accesses, newest first.

    Proofs are as `GET /v1/me/access-log/{event}/proof` gives them. No line has an id that another export has; the place
    in the log is the log's own.
    """
    try:
        signed = await tree.newest(pool, Stream.ACCESS)
    except NotThere:
        signed = None
    size = signed.size if signed else 0
    sealed = [row["leaf"] for row in rows if row["leaf"] is not None and row["leaf"] < size]
    proofs = await _proofs(pool, sealed[:MOST_PROVEN], size)
    head = {
        "format": "cloister-access-log/1",
        "clinic": clinic,
        "accesses": len(rows),
        "complete": len(rows) < MOST_ACCESSES,
        "checkpoint": signed.note if signed else None,
    }
    found = [{**_access(row, clinic), "proof": proofs.get(row["leaf"])} for row in rows]
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in (head, *found))


def _access(row: Mapping[str, Any], clinic: str) -> dict[str, Any]:
    told = {name: row[name] for name in FIELDS}
    if row["action"] == ProcessAction.INGEST:  # of a day, with what was read instead of its categories
        read = sorted({category for asset in row["categories"] for category in ASSET_CATEGORIES[asset]})
        return {**told, "categories": read, "organisation": clinic}
    return told


async def _proofs(pool: Pool, leaves: Sequence[int], size: int) -> dict[int, dict[str, Any]]:
    """The proof of each leaf in the tree of that size; what two of them share is read once."""
    paths = {leaf: [(leaf, leaf + 1), *inclusion(leaf, size)] for leaf in leaves}
    ranges = list(dict.fromkeys(each for path in paths.values() for each in path))
    roots = await tree.roots(pool, Stream.ACCESS, ranges) if ranges else []
    hashes = dict(zip(ranges, encoded(roots), strict=True))
    return {
        leaf: {"index": leaf, "size": size, "leaf": hashes[own], "path": [hashes[each] for each in path]}
        for leaf, (own, *path) in paths.items()
    }
