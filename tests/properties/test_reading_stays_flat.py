"""However long a file is, its readers hold a piece of it; what is over a limit is refused by its place, and no more."""

import gzip
import json
import tracemalloc
from collections.abc import Callable, Iterable
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import pytest

from infra.errors import InvalidInput
from orchestration.importing import reading
from orchestration.importing.fhir import reading as fhir_reading
from orchestration.importing.fhir.reading import LONGEST_BUNDLE, LONGEST_RESOURCE, read_batches
from orchestration.importing.reading import LONGEST_LINE, read_pieces

OPTIONS: dict[str, Any] = {"delimiter": ",", "missing": [], "columns": {"id", "name"}}
PATIENT = {"resourceType": "Patient", "id": "p1", "name": [{"text": "Canary"}]}
SMALL = 64 * 1024
LINES = 4_000


def read_csv(path: Path) -> int:
    return sum(piece.rows.height + len(piece.broken) for piece in read_pieces(path, **OPTIONS))


def read_ndjson(path: Path) -> int:
    return sum(len(batch.resources) + len(batch.broken) for batch in read_batches(path))


def written(path: Path, lines: Iterable[bytes]) -> Path:
    with gzip.open(path, "wb", 1) if path.suffix == ".gz" else path.open("wb") as file:
        file.writelines(lines)
    return path


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize(
    ("read", "name", "head", "line"),
    [
        (read_csv, "any.csv", b"id,name\n", b"1," + b"n" * 97 + b"\n"),
        (read_csv, "broken.csv", b"id,name\n", b'1,"' + b"n" * 96 + b"\n"),
        (read_ndjson, "any.ndjson", b"", json.dumps(PATIENT).encode() + b" " * 20 + b"\n"),
        (read_ndjson, "broken.ndjson", b"", b"{" * 99 + b"\n"),
    ],
    ids=["csv", "broken csv", "ndjson", "broken ndjson"],
)
def test_memory_is_the_same_for_four_times_the_lines(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    packed: str,
    read: Callable[[Path], int],
    name: str,
    head: bytes,
    line: bytes,
) -> None:
    monkeypatch.setattr(reading, "PIECE_BYTES", SMALL)
    monkeypatch.setattr(fhir_reading, "PIECE_BYTES", SMALL)
    peaks = []
    for times in (1, 1, 4):  # the first turn warms what is made once
        path = written(tmp_path / f"{times}{name}{packed}", [head, *repeat(line, LINES * times)])
        tracemalloc.start()
        assert read(path) == LINES * times
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.2 * peaks[1]


def test_a_line_of_ndjson_over_16_mb_is_refused_and_its_neighbours_are_read(tmp_path: Path) -> None:
    whole = json.dumps(PATIENT).encode()
    fits = b'{"resourceType": "Patient", "x": "' + b"x" * (LONGEST_RESOURCE - len(whole)) + b'"}'
    long = fits[:-2] + b"x" * len(whole) + b'"}'
    path = written(tmp_path / "all.ndjson.gz", (line + b"\n" for line in (whole, fits, long, whole)))
    batches = list(read_batches(path))
    assert [each.line for batch in batches for each in batch.resources] == [1, 2, 4]
    ((line, reason, content),) = (each for batch in batches for each in batch.broken)
    assert (line, reason) == (3, "is longer than 16 MB")
    assert content == long[: LONGEST_RESOURCE + 1]


@pytest.mark.parametrize("rows", [0, 200_000])
def test_a_line_of_csv_over_16_mb_is_refused_by_its_number_and_those_before_it_are_read(
    tmp_path: Path, rows: int
) -> None:
    path = written(tmp_path / "any.csv.gz", [b"id,name\n", *repeat(b"1,n\n", rows), b"2,", b"n" * LONGEST_LINE, b"\n"])
    pieces = read_pieces(path, **OPTIONS)
    read = sum(piece.rows.height for piece in islice(pieces, rows and 1))
    with pytest.raises(InvalidInput, match=f"line {2 + rows} is longer than 16 MB") as error:
        next(pieces)
    assert error.value.place == f"any.csv.gz:{2 + rows}"
    assert read == rows
    header = written(tmp_path / "header.csv", [b"i" * (LONGEST_LINE + 1)])
    with pytest.raises(InvalidInput, match="line 1 is longer"):
        read_csv(header)


@pytest.mark.parametrize("kind", ["transaction", "document", "collection"])
def test_bundles_of_every_type_are_read_alike_up_to_32_mb(tmp_path: Path, kind: str) -> None:
    def bundle(name: str, size: int) -> Path:
        text = json.dumps({"resourceType": "Bundle", "type": kind, "entry": [{"resource": PATIENT}, {}]}).encode()
        return written(tmp_path / name, [text, b" " * (size - len(text))])

    (batch,) = read_batches(bundle("fits.json.gz", LONGEST_BUNDLE))
    assert [each.line for each in batch.resources] == [1]
    assert [each[:2] for each in batch.broken] == [(2, "resourceType: is missing")]
    with pytest.raises(InvalidInput, match="larger than 32 MB") as error:
        list(read_batches(bundle("large.json.gz", LONGEST_BUNDLE + 1)))
    assert error.value.place == "large.json.gz"


@pytest.mark.parametrize("spoilt", ["cut", "changed"])
@pytest.mark.parametrize(("name", "read"), [("any.csv.gz", read_csv), ("any.ndjson.gz", read_ndjson)])
def test_a_gzip_file_that_is_not_whole_is_refused_by_its_name(
    tmp_path: Path, name: str, read: Callable[[Path], int], spoilt: str
) -> None:
    lines = {"csv": [b"id,name\n", *(b"%d,n\n" % n for n in range(999))], "ndjson": [json.dumps(PATIENT).encode()]}
    path = written(tmp_path / name, lines[name.split(".")[1]])
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] if spoilt == "cut" else content[:middle] + b"\xff" * 9 + content[middle + 9 :])
    with pytest.raises(InvalidInput, match="is no whole gzip file") as error:
        read(path)
    assert error.value.place == name
