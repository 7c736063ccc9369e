"""CSV files to rows of text, a piece at a time, so that memory stays flat whatever the size.

Every line is one row. A line with an open quote, the wrong number of columns or bytes that are no
UTF-8 comes back as broken, with its number and content; the lines around it are read.
"""

import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, NamedTuple, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv

from infra.errors import InvalidInput

PIECE_BYTES = 8 * 1024 * 1024
LONGEST_LINE = 16 * 1024 * 1024
LINE = "__line__"


# Told of how many rows more, and of how many bytes of files that were read for them.
Progress = Callable[[int, int], None]


class Broken(NamedTuple):
    """A line that is no row: its number (from 1), why, and its bytes."""

    line: int
    reason: str
    content: bytes


class RowSource(Protocol):
    """Some neighbouring rows of a file as text columns (null: missing), with `__line__`; and what is no row."""

    # Bytes of the file that were read for it.
    read: int

    rows: pl.DataFrame
    broken: list[Broken]
    # The column that a row is known again by, if it is none of its fields.
    identity: str | None

    def place(self, line: int) -> int:
        """Where a row stands in its file: its line, or what the file counts in."""

    def contents(self, lines: list[int]) -> dict[int, bytes]:
        """Rows as they were."""

    def guess(self, content: bytes, column: str | None) -> str | None:
        """What something broken most likely holds in a column: enough to know it again when it is mended."""


@dataclass
class Piece:
    """Rows of a file as text columns (null: missing), with `__line__`; and the lines that are none."""

    rows: pl.DataFrame
    broken: list[Broken]
    first: int
    text: bytes
    header: list[str]
    delimiter: str
    identity: str | None = None
    read: int = 0

    def place(self, line: int) -> int:
        """Where a row stands in its file."""
        return line

    def contents(self, lines: list[int]) -> dict[int, bytes]:
        """Lines of this piece as they were."""
        if not lines:
            return {}
        split = self.text.split(b"\n")
        return {line: split[line - self.first].rstrip(b"\r") for line in lines}

    def guess(self, content: bytes, column: str | None) -> str | None:
        """What a broken line most likely holds in a column: enough to know it again when it is mended."""
        if column is None:
            return None
        parts = content.decode(errors="replace").split(self.delimiter)
        at = self.header.index(column)
        return parts[at].strip(' "\r') or None if at < len(parts) else None


def read_pieces(
    path: Path, *, delimiter: str, missing: list[str], columns: set[str], only: Mapping[str, list[str]] | None = None
) -> Iterator[Piece]:
    """Read a CSV file, gzip or not, in pieces of about 8 MB of text.

    Only `columns` are kept, and `__line__`; and only rows that hold, in each column of `only`, one of its values.

    Raises:
        InvalidInput: no such file, no header, a column of the mapping is missing in it, or a line is too long.
    """
    line = 1
    try:
        with open_file(path) as stream:
            header = _header(path, _first_line(stream), delimiter, columns)
            line, before = 2, 0
            for chunk in _chunks(stream):
                piece, now = _piece(chunk, line, header, delimiter, missing, columns), bytes_read(stream)
                kept = [pl.col(name).is_in(values) for name, values in (only or {}).items()]
                yield replace(piece, rows=piece.rows.filter(kept) if kept else piece.rows, read=now - before)
                line, before = line + chunk.count(b"\n"), now
    except _TooLong:
        raise InvalidInput(f"{path.name}: line {line} is longer than 16 MB", place=f"{path.name}:{line}") from None
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise InvalidInput(f"{path.name} is no whole gzip file", place=path.name) from None
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror or 'unreadable'}", place=path.name) from None


class _TooLong(Exception):
    """A line that is read no further, so that memory stays flat."""


@dataclass
class KeptPiece(Piece):
    """Lines that come one by one, each with its own number in its file (`numbers`)."""

    numbers: list[int] = field(default_factory=list)

    def place(self, line: int) -> int:
        """Where a row stood in its file."""
        return self.numbers[line]


def piece_of(
    lines: Iterable[tuple[int, bytes]], header: list[str], *, delimiter: str, missing: list[str], columns: set[str]
) -> KeptPiece:
    """Lines of one file, each with its number, as one piece.

    Raises:
        InvalidInput: a column of the mapping is missing in the header.
    """
    if absent := sorted(columns - set(header)):
        raise InvalidInput(f"there is no column '{absent[0]}'", place="mapping")
    listed = list(lines)
    text = b"".join(content + b"\n" for _, content in listed)
    found = _piece(text, 0, header, delimiter, missing, columns)
    numbers = [number for number, _ in listed]
    broken = [one._replace(line=numbers[one.line]) for one in found.broken]
    return KeptPiece(found.rows, broken, 0, text, header, delimiter, numbers=numbers)


def open_file(path: Path) -> IO[bytes]:
    """A file to read, unpacked on the way if its name says that it is packed."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def bytes_read(stream: IO[bytes]) -> int:
    """How far a file that `open_file` opened has been read, in bytes of the file as it lies there."""
    return stream.fileobj.tell() if isinstance(stream, gzip.GzipFile) else stream.tell()


def _header(path: Path, line: bytes, delimiter: str, columns: set[str]) -> list[str]:
    try:
        text = line.decode("utf-8-sig").strip("\r\n")
    except UnicodeDecodeError:
        raise InvalidInput(f"{path.name}: the first line is no UTF-8", place=f"{path.name}:1") from None
    names = [name.strip().strip('"') for name in text.split(delimiter)]
    absent = sorted(columns - set(names))
    if absent:
        raise InvalidInput(f"{path.name} has no column '{absent[0]}'", place=f"{path.name}:1")
    if len(set(names)) < len(names):
        raise InvalidInput(f"{path.name} has a column twice", place=f"{path.name}:1")
    return names


def _first_line(stream: IO[bytes]) -> bytes:
    line = stream.readline(LONGEST_LINE + 1)
    if len(line) > LONGEST_LINE:
        raise _TooLong
    return line


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """Whole lines, about so many bytes of them; a last one that no line feed ends is one too.

    Raises:
        _TooLong: the line after those that came.
    """
    rest = b""
    while block := stream.read(PIECE_BYTES):
        cut = block.rfind(b"\n") + 1
        if len(rest) + (block.find(b"\n") if cut else len(block)) > LONGEST_LINE:
            raise _TooLong
        if not cut:
            rest += block
            continue
        yield rest + block[:cut]
        rest = block[cut:]
    if rest:
        yield rest + b"\n"


def _piece(text: bytes, first: int, header: list[str], delimiter: str, missing: list[str], columns: set[str]) -> Piece:
    chunk, broken = _without_unreadable(text, first, delimiter)
    taken: set[int] = set()

    def refuse(row: pacsv.InvalidRow) -> str:
        taken.add(first + row.number - 1)
        reason = f"expected {row.expected_columns} columns, found {row.actual_columns}"
        broken.append(Broken(first + row.number - 1, reason, row.text.encode()))
        return "skip"

    table = pacsv.read_csv(
        io.BytesIO(chunk),
        read_options=pacsv.ReadOptions(column_names=header, use_threads=False, block_size=len(chunk) + 1),
        parse_options=pacsv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False, invalid_row_handler=refuse),
        convert_options=pacsv.ConvertOptions(
            column_types={name: pa.large_string() for name in header},
            include_columns=[name for name in header if name in columns],
            strings_can_be_null=False,
        ),
    )
    lines = pl.int_range(first, first + chunk.count(b"\n"), dtype=pl.Int64, eager=True)
    lines = lines.filter(~lines.is_in(list(taken)))
    rows = pl.DataFrame(pl.from_arrow(table)).with_columns(lines.alias(LINE))
    if empty := _empty_lines(chunk, first):
        rows = rows.filter(~pl.col(LINE).is_in(empty))
    return Piece(_trimmed(rows, missing), broken, first, text, header, delimiter)


def _without_unreadable(chunk: bytes, first: int, delimiter: str) -> tuple[bytes, list[Broken]]:
    """Blank the lines that would spoil others: an open quote swallows the rows behind it, a bare CR ends a row."""
    plain = b'"' not in chunk and b"\x00" not in chunk and chunk.count(b"\r") == chunk.count(b"\r\n")
    if plain and _is_text(chunk):
        return chunk, []
    lines, broken = chunk.split(b"\n"), []
    # A quote opens a field only where it begins; `""` in it is one that does not end it.
    quoted = re.compile(rb'(?:^|%b)"(?:[^"]|"")*+(")?' % re.escape(delimiter.encode()))
    for index, line in enumerate(lines):
        if reason := _unreadable(line, quoted):
            broken.append(Broken(first + index, reason, line))
            lines[index] = b""
    return (b"\n".join(lines), broken) if broken else (chunk, [])


def _unreadable(line: bytes, quoted: re.Pattern[bytes]) -> str:
    if line.count(b'"') % 2 or not all(found[1] for found in quoted.finditer(line)):
        return "a quote is not closed on its line"
    if b"\x00" in line:
        return "holds a NUL"
    if b"\r" in line.removesuffix(b"\r"):
        return "holds a carriage return"
    return "" if line.isascii() or _is_text(line) else "not UTF-8"


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _empty_lines(chunk: bytes, first: int) -> list[int]:
    """Lines with nothing on them: no rows, and nothing broken either."""
    if not (chunk.startswith((b"\n", b"\r\n")) or b"\n\n" in chunk or b"\n\r\n" in chunk):
        return []
    return [first + index for index, line in enumerate(chunk.split(b"\n")) if not line.strip(b"\r")]


def _trimmed(rows: pl.DataFrame, missing: list[str]) -> pl.DataFrame:
    names = [name for name in rows.columns if name != LINE]
    rows = rows.with_columns(pl.col(names).cast(pl.String).str.strip_chars())
    return rows.with_columns(
        pl.when(pl.col(name).is_in([*missing, ""])).then(None).otherwise(pl.col(name)).alias(name) for name in names
    )
