r"""The lines of an export: a header, a line a leaf in the tree's order, and checkpoints where they were signed.

```
{"first":0,"format":"cloister-audit-1","keys":["…"],"origin":"cloister/…/access","roots":[],"scope":"platform"}
<hash of leaf 0, base64> {"action":"member.list", … "index":0, …}       the exact line that was hashed
<hash of leaf 1, base64>                                                another clinic's event
<hash of leaf 2, base64> archived                                       its event lies in an archive
missing                                                                 a leaf that should be there and is not
"cloister/…/access\n3\n<root>\n\n— cloister/…/access <signature>\n"     a checkpoint of what stands above it
```
"""

import json
from base64 import b64decode, b64encode
from binascii import Error
from dataclasses import dataclass

from policies.audit.canonical import line_of
from policies.audit.merkle import HASH_BYTES, Frontier
from policies.audit.note import BadNote, Verifier

FORMAT = "cloister-audit-1"
PLATFORM = "platform"
CLINIC = "clinic:"  # and its slug
MONTH = "month:"  # of an archive, as `2026_11`
ARCHIVED = b"archived"
MISSING = b"missing"
HASH_CHARACTERS = 44  # of 32 bytes in base64
LONGEST = 64 * 2**20  # bytes of a line: 1.6 million patients disclosed by one event


class Unreadable(ValueError):
    """A line that is none of an export; `line` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line


@dataclass(frozen=True)
class Header:
    """What an export is of: a log, whose part of it, and the tree before its first leaf."""

    origin: str
    scope: str
    keys: tuple[Verifier, ...]
    first: int = 0
    roots: tuple[bytes, ...] = ()

    @property
    def frontier(self) -> Frontier:
        """The tree before the first leaf."""
        return Frontier(self.first, self.roots)

    def line(self) -> bytes:
        """The first line of an export, without its end."""
        return line_of(
            {
                "first": self.first,
                "format": FORMAT,
                "keys": [str(key) for key in self.keys],
                "origin": self.origin,
                "roots": [b64encode(root).decode() for root in self.roots],
                "scope": self.scope,
            }
        )


def read_header(line: bytes) -> Header:
    """Read the first line.

    Raises:
        Unreadable: it is none.
    """
    try:
        found = json.loads(line)
        if found["format"] != FORMAT:
            raise Unreadable(1, f"not an export of the format {FORMAT}")
        roots = tuple(b64decode(root, validate=True) for root in found["roots"])
        keys = tuple(Verifier.parse(key) for key in found["keys"])
        header = Header(str(found["origin"]), str(found["scope"]), keys, int(found["first"]), roots)
        if header.first < 0 or len(roots) != header.first.bit_count() or any(len(r) != HASH_BYTES for r in roots):
            raise Unreadable(1, "the header's roots are not those of a tree")
    except Unreadable:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, Error, BadNote, RecursionError):
        raise Unreadable(1, "no header of an export") from None
    return header


def leaf_line(leaf: bytes, rest: bytes | None) -> bytes:
    """The line of a leaf: its hash, and the event's line or what stands in its place."""
    encoded = b64encode(leaf)
    return encoded if rest is None else encoded + b" " + rest


def checkpoint_line(note: str) -> bytes:
    """The line of a checkpoint."""
    return json.dumps(note, ensure_ascii=False).encode()
