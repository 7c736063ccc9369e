"""The line of an event: what is hashed into the tree, and what an export holds, to the byte."""

import json
from collections.abc import Mapping
from typing import Any

LARGEST = 2**53 - 1  # I-JSON's, RFC 7493, 2.2


def line_of(fields: Mapping[str, Any]) -> bytes:
    """The canonical JSON of an event's fields as RFC 8785 has it, for texts, lists of texts and whole numbers.

    Names of fields are ASCII. A field that is null is left out, so that a field which events get later leaves
    the lines of those before as they were.

    Raises:
        ValueError: a number that not every reader of JSON can hold.
    """
    known = {name: value for name, value in fields.items() if value is not None}
    if [value for value in known.values() if type(value) is int and abs(value) > LARGEST]:
        raise ValueError("a number is too large")
    return _encode(known).encode()


_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode
