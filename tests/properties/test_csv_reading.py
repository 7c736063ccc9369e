"""Whatever bytes a CSV file holds, each line is a row, broken, or empty; and read one by one they are the same."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from orchestration.importing.reading import LINE, piece_of, read_pieces

HEADER = ["id", "name"]
OPTIONS: dict[str, Any] = {"delimiter": ",", "missing": ["NA"], "columns": set(HEADER)}
BITS = st.sampled_from([b"a", b"7", b",", b",", b'"', b"\x00", b"\r", b"\xff", b" ", "ö".encode(), b"NA", b"\t", b"=1"])
EMPTY = (b"", b"\r")
LINES = st.lists(st.lists(BITS, max_size=7).map(b"".join), max_size=12)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("csv") / "any.csv"


@given(lines=LINES, last=st.sampled_from([b"", b"\n"]))
@example(lines=[b'a","', b"a,7"], last=b"")  # the first quote opens nothing, the second a field
def test_every_line_is_a_row_or_broken_or_empty_and_keeps_its_number(
    file: Path, lines: list[bytes], last: bytes
) -> None:
    file.write_bytes(b"\n".join([b"id,name", *lines]) + last)
    pieces = list(read_pieces(file, **OPTIONS))
    rows = [number for piece in pieces for number in piece.rows[LINE]]
    broken = {one.line: one for piece in pieces for one in piece.broken}
    empty = [number for number, line in enumerate(lines, start=2) if line in EMPTY]
    assert sorted([*rows, *broken, *empty]) == list(range(2, len(lines) + 2))
    contents: dict[int, bytes] = {}
    for piece in pieces:
        contents |= piece.contents(piece.rows[LINE].to_list())
    assert contents == {number: lines[number - 2].rstrip(b"\r") for number in rows}
    for piece in pieces:
        assert all(isinstance(piece.guess(one.content, "name"), str | None) for one in piece.broken)


@given(lines=LINES)
def test_lines_that_were_kept_are_read_as_they_were_in_their_file(file: Path, lines: list[bytes]) -> None:
    file.write_bytes(b"\n".join([b"id,name", *lines, b""]))
    pieces = list(read_pieces(file, **OPTIONS))
    numbered = [(number, line) for number, line in enumerate(lines, start=2) if line not in EMPTY]
    assume(numbered)
    again = piece_of(numbered, HEADER, **OPTIONS)
    rows = {row[LINE]: (row["id"], row["name"]) for piece in pieces for row in piece.rows.iter_rows(named=True)}
    assert {again.place(r[LINE]): (r["id"], r["name"]) for r in again.rows.iter_rows(named=True)} == rows
    reasons = {one.line: one.reason for piece in pieces for one in piece.broken}
    assert {one.line: one.reason for one in again.broken} == reasons
