"""FHIR files to resources: NDJSON a line each, Bundles an entry each, gzip or not.

What is no resource comes back as broken, with its line or entry number and content; the others are read.
"""

import gzip
import json
import re
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

from pydantic_core import from_json

from infra.errors import InvalidInput
from orchestration.importing.early import Early
from orchestration.importing.reading import Broken, bytes_read, open_file
from policies.fhir.types import CHANGES, modified_by

PIECE_BYTES = 8 * 1024 * 1024
LONGEST_RESOURCE = 16 * 1024 * 1024
LONGEST_BUNDLE = 32 * 1024 * 1024
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_URN = re.compile(r"urn:uuid:([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})", re.IGNORECASE)


class Resource(NamedTuple):
    """A resource, the line or entry it stands at (from 1), its bytes, and the other id that references know it by."""

    line: int
    content: bytes
    body: dict[str, Any]
    known_as: str | None = None

    @property
    def type(self) -> str:
        """Its resource type."""
        return str(self.body["resourceType"])

    @property
    def modified_by(self) -> str | None:
        """What of it changes its meaning, if anything does (`policies.fhir.types.modified_by`)."""
        # Of most the bytes tell at once; a key may be written with escapes.
        looked_for = (b"modifierExtension", b"implicitRules", b"\\u")
        return modified_by(self.body) if any(each in self.content for each in looked_for) else None


class Batch(NamedTuple):
    """Some neighbouring resources of a file, and what was none."""

    resources: list[Resource]
    broken: list[Broken]
    # Bytes of the file that were read for it.
    read: int = 0


def is_ndjson(path: Path) -> bool:
    """Whether a file holds a resource a line, by its name."""
    return path.name.removesuffix(".gz").endswith(".ndjson")


def read_batches(path: Path, only: Early | None = None) -> Iterator[Batch]:
    """Read a file, or `only` some of its lines or entries, in batches of about 8 MB; a Bundle is one batch.

    Raises:
        InvalidInput: no such file, no whole gzip, or a Bundle that is too large.
    """
    try:
        with open_file(path) as stream:
            before = 0
            for batch in _lines(stream, only) if is_ndjson(path) else [_bundle(path, stream)]:
                now = bytes_read(stream)
                yield (batch if only is None else some_of(batch, only))._replace(read=now - before)
                before = now
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise InvalidInput(f"{path.name} is no whole gzip file", place=path.name) from None
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror or 'unreadable'}", place=path.name) from None


def batches_of(lines: Iterable[tuple[int, bytes]]) -> Iterator[Batch]:
    """Resources by the line or entry where they stood, in batches of about 8 MB."""
    batch, size = Batch([], []), 0
    for number, content in lines:
        _add(batch, number, content)
        size += len(content)
        if size >= PIECE_BYTES:
            yield batch
            batch, size = Batch([], []), 0
    yield batch


def some_of(batch: Batch, only: Early) -> Batch:
    """The resources of a batch that stand at these lines or entries."""
    return Batch([one for one in batch.resources if one.line in only], [])


def _lines(stream: IO[bytes], only: Early | None) -> Iterator[Batch]:
    batch, size, number = Batch([], []), 0, 0
    while line := stream.readline(LONGEST_RESOURCE + 1):
        number += 1
        content, taken = line.rstrip(b"\r\n"), only is None or number in only
        if len(content) > LONGEST_RESOURCE:
            _skip_line(stream)
        if taken and len(content) > LONGEST_RESOURCE:
            batch.broken.append(Broken(number, "is longer than 16 MB", content))
        elif taken and content.strip():
            _add(batch, number, content)
        size += taken * len(content)
        if size >= PIECE_BYTES:
            yield batch
            batch, size = Batch([], []), 0
    yield batch


def _skip_line(stream: IO[bytes]) -> None:
    while (rest := stream.readline(LONGEST_RESOURCE)) and not rest.endswith(b"\n"):
        pass


def _add(batch: Batch, number: int, content: bytes) -> None:
    try:
        body = parse(content)
    except ValueError as error:
        batch.broken.append(Broken(number, str(error), content))
    else:
        batch.resources.append(Resource(number, content, body))


def parse(content: bytes) -> dict[str, Any]:
    """A resource of its JSON.

    Raises:
        ValueError: it is none; says why, without any of its values.
    """
    try:
        found = from_json(content.removeprefix(BOM_UTF8), allow_inf_nan=False)
    except ValueError:
        found = _slowly(content)
    return _checked(found)


def _slowly(content: bytes) -> Any:
    """What the fast reader refuses, such as half a surrogate pair in a text that nobody may need; or what is wrong."""
    try:
        return json.loads(content.decode("utf-8-sig"), parse_constant=_no_number)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("is no UTF-8") from None
    except ValueError:
        raise ValueError("is no JSON") from None


def _no_number(_: str) -> NoReturn:
    raise ValueError("no number of JSON")


def _checked(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict) or not isinstance(found.get("resourceType"), str):
        raise ValueError("resourceType: is missing")
    if "id" in found and not (isinstance(found["id"], str) and _ID.fullmatch(found["id"])):
        raise ValueError("id: is none")
    return found


def _bundle(path: Path, stream: IO[bytes]) -> Batch:
    content = stream.read(LONGEST_BUNDLE + 1)
    if len(content) > LONGEST_BUNDLE:
        raise InvalidInput(f"{path.name} is larger than 32 MB", place=path.name, hint="bring it as NDJSON")
    try:
        found = parse(content)
    except ValueError as error:
        return Batch([], [Broken(1, str(error), content)])
    if found["resourceType"] != "Bundle":
        return Batch([Resource(1, content, found)], [])
    entries = found.get("entry", [])
    if found.get("implicitRules"):
        return Batch([], [Broken(1, f"implicitRules: {CHANGES}", content)])
    if not isinstance(entries, list):
        return Batch([], [Broken(1, "entry: is no list", content)])
    batch = Batch([], [])
    for number, entry in enumerate(entries, start=1):
        _add_entry(batch, number, entry)
    return batch


def _add_entry(batch: Batch, number: int, entry: Any) -> None:
    body = entry.get("resource") if isinstance(entry, dict) else None
    try:
        found = _checked(body)
        if changed := modified_by({**entry, "resource": None}):
            raise ValueError(f"entry.{changed}: {CHANGES}")
    except ValueError as error:
        batch.broken.append(Broken(number, str(error), json.dumps(entry).encode()))
        return
    urn = _URN.fullmatch(str(entry.get("fullUrl")))
    known_as = urn[1] if urn else None
    if known_as and "id" not in found:
        found["id"] = known_as
    batch.resources.append(Resource(number, json.dumps(found).encode(), found, known_as))
