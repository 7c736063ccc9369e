"""The readers of imports under coverage-guided fuzzing, for as long as somebody likes.

Usage: `pip install atheris`, then `python -m tests.fuzz.readers csv` or `ndjson`, with libFuzzer's options behind it.
It is not pinned, since it has wheels for Linux alone; what it would find quickly, tests/properties finds as well.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["orchestration"]):
    from orchestration.importing.fhir.reading import read_batches
    from orchestration.importing.reading import read_pieces


def csv(path: Path, content: bytes) -> None:
    """Each line is a row, broken, or empty."""
    path.write_bytes(b"id,name\n" + content)
    pieces = read_pieces(path, delimiter=",", missing=["NA"], columns={"id", "name"})
    read = sum(piece.rows.height + len(piece.broken) for piece in pieces)
    assert read == sum(bool(line.strip(b"\r")) for line in content.split(b"\n"))


def ndjson(path: Path, content: bytes) -> None:
    """Each line is a resource, broken, or empty."""
    path.write_bytes(content)
    read = sum(len(batch.resources) + len(batch.broken) for batch in read_batches(path))
    assert read == sum(bool(line.strip()) for line in content.rstrip(b"\r\n").split(b"\n"))


if __name__ == "__main__":
    chosen = {"csv": csv, "ndjson": ndjson}[sys.argv.pop(1)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"any.{chosen.__name__}"
        atheris.Setup(sys.argv, lambda content: chosen(file, content))
        atheris.Fuzz()
