"""CSV that a spreadsheet opens without running anything of it."""

import csv
import io
from collections.abc import Iterable

# What starts a formula in a spreadsheet (OWASP, CSV injection), as a letter before it does not.
STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def cell(value: object) -> str:
    """A value as a cell's text: none is empty, a list has spaces between, and what starts a formula an apostrophe."""
    if value is None:
        return ""
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"'{text}" if text.startswith(STARTS) else text


def lines(rows: Iterable[Iterable[object]]) -> str:
    """Rows as lines of CSV (RFC 4180), each with its end."""
    written = io.StringIO()
    csv.writer(written).writerows([cell(value) for value in row] for row in rows)
    return written.getvalue()
