"""One FHIR import from start to end: files in, entities loaded, what broke the contract kept apart."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import psycopg

from infra.database import Server
from infra.encryption.keyring import KeyProvider
from infra.errors import InvalidInput, Refused
from infra.settings import Mode
from orchestration.importing.batches import BatchKind, begin_batch, end_batch
from orchestration.importing.early import Early, load_all
from orchestration.importing.fhir.index import NAMED, PLACES, VISITS, Index
from orchestration.importing.fhir.loaders import Again, Loaders, shaped_rows
from orchestration.importing.fhir.mapping import FhirMapping
from orchestration.importing.fhir.pieces import Converted, Shape, convert, note_in
from orchestration.importing.fhir.reading import Batch, is_ndjson, read_batches, some_of
from orchestration.importing.fhir.resources import place_of
from orchestration.importing.fhir.rows import Source, Unfit
from orchestration.importing.reading import Progress
from orchestration.importing.run import Report, ahead
from orchestration.importing.session import ImportSession, import_session
from orchestration.importing.shaping import Shaped

ENDINGS = (".ndjson", ".ndjson.gz", ".json", ".json.gz")


@dataclass(frozen=True)
class FhirImport:
    """What to import: a mapping, the keys to encrypt with, and the mode that the instance runs in."""

    mapping: FhirMapping
    keys: KeyProvider
    mode: Mode


@dataclass
class FhirReport(Report):
    """What the import of a file did; `left` counts what was left out, by what it was."""

    left: Counter[str] = field(default_factory=Counter)


def import_fhir(at: Server, files: list[Path], what: FhirImport, progress: Progress) -> list[FhirReport]:
    """Import files in the order that their resources need, and again what came before what it names.

    Folders stand for the NDJSON and JSON files in them. `progress` is told of the resources of each
    batch, and of the bytes that were read for it.

    Raises:
        InvalidInput: a file or the mapping does not fit; what was loaded before stays.
        Refused: assumed consents outside of demo mode.
    """
    if what.mapping.consent == "assumed" and what.mode is not Mode.DEMO:
        raise Refused("`consent: assumed` works in demo mode only", hint="bring consents with their evidence")
    listed = listed_files(files)
    with import_session(at, what.mapping.source, what.keys, None, fires=what.mapping.fires) as session:
        with session.transaction() as connection:
            clinics, countries = clinics_of(connection, what.mapping)
        with source_of(listed, what.mapping, countries, progress) as (source, looked):
            imports = [FileImport(session, path, source, clinics, note=not looked) for path in listed]
            load_all(session, imports, progress)
            return [each.report for each in imports]


def listed_files(files: list[Path]) -> list[Path]:
    """The files in the order that their resources need; folders stand for the NDJSON and JSON files in them.

    Raises:
        InvalidInput: there is no such file, or its name says that it is another kind.
    """
    return sorted(expanded(files), key=_order)


@contextmanager
def source_of(
    files: list[Path], mapping: FhirMapping, countries: dict[str, str], progress: Progress
) -> Iterator[tuple[Source, bool]]:
    """What the conversion of these files goes by, and whether they were read for that already."""
    zone = ZoneInfo(mapping.time_zone)
    with closing(Index(mapping.clinics, zone, mapping.base)) as index:
        looked = _look_ahead(files, mapping, index, progress)
        yield Source(mapping, index, zone, countries, datetime.now(UTC).date().isoformat()), looked


def expanded(files: list[Path]) -> list[Path]:
    """These files, and for a folder the NDJSON and JSON files in it.

    Raises:
        InvalidInput: there is no such file, or its name says that it is another kind.
    """
    found = [inner for path in files for inner in (sorted(_fhir_in(path)) if path.is_dir() else [path])]
    for path in found:
        if not path.is_file():
            raise InvalidInput(f"there is no file {path}", place=path.name)
        if not path.name.endswith(ENDINGS):
            raise InvalidInput(f"{path.name} is neither NDJSON nor JSON by its name", place=path.name)
    return found


def _fhir_in(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.name.endswith(ENDINGS))


def _order(path: Path) -> tuple[int, str]:
    """Bundles first, since each has all that it refers to; then by the type of a file's first resource."""
    if not is_ndjson(path):
        return (-1, path.name)
    kinds = (resource.type for batch in read_batches(path) for resource in batch.resources)
    return (place_of(next(kinds, "")), path.name)


def clinics_of(connection: psycopg.Connection, mapping: FhirMapping) -> tuple[dict[str, int], dict[str, str]]:
    """Ids and countries of all clinics, by slug.

    Raises:
        InvalidInput: the mapping names none, or one that is not there.
    """
    rows = connection.execute("select slug, clinic_id, country from operational.clinic").fetchall()
    known = {slug: clinic_id for slug, clinic_id, _ in rows}
    if not mapping.clinics.slugs():
        raise InvalidInput("the mapping names no clinic", place="clinics")
    for slug in sorted(mapping.clinics.slugs() - set(known)):
        raise InvalidInput(f"there is no clinic '{slug}'", place="clinics", hint="`cloister clinic add`")
    return known, {slug: country for slug, _, country in rows}


def _look_ahead(files: list[Path], mapping: FhirMapping, index: Index, progress: Progress) -> bool:
    """Read who visited which clinic, and since when, unless the mapping says that for everybody."""
    if not mapping.looks_ahead():
        return False
    for path in files:
        index.file = path.name
        for batch in read_batches(path):
            # A visit's patient by an urn is known once the patient is, wherever in their Bundle the two stand.
            for resource in sorted(batch.resources, key=lambda each: place_of(each.type)):
                if resource.known_as or resource.type in PLACES | VISITS | NAMED:
                    with suppress(Unfit):  # it is kept when it is converted
                        note_in(index, resource)
            progress(0, batch.read)
    return True


class FileImport:
    """One file's import; `batches` are its resources where they do not come from the file itself.

    With `note` the index learns from the resources on the way.
    """

    def __init__(
        self,
        session: ImportSession,
        path: Path,
        source: Source,
        clinics: dict[str, int],
        batches: Sequence[Batch] | None = None,
        *,
        note: bool,
    ) -> None:
        self.session, self.path, self.source, self.clinics = session, path, source, clinics
        self.batches, self.note = batches, note
        self.batch_id = uuid4()
        self.report = FhirReport(self.batch_id, path.name)
        # Of what is to be read again, that which could not be converted yet, so that nothing of it is known.
        self.early, self.unread = Early(), Early()

    def load(self, progress: Progress) -> None:
        """Load it.

        Raises:
            InvalidInput: it is no whole file; what was loaded before stays.
        """
        mapping = self.source.mapping
        # Of several clinics, whose a resource is hangs on others of its files.
        kind = None if mapping.clinics.of else BatchKind.FHIR
        with self.session.transaction() as connection:
            begin_batch(connection, self.batch_id, self.path.name, mapping, kind)
        self._go_through(Again(None, None), self.early, progress)

    def load_again(self, session: ImportSession, *, last: bool) -> None:
        """Load what came too early; the last time what still does goes to quarantine."""
        again = Again(self.early, self.unread)
        self.early, self.unread, self.session = Early(), Early(), session
        with suppress(InvalidInput):  # a file that breaks off did so the first time
            self._go_through(again, None if last else self.early)

    def end(self) -> None:
        """Note what came of it."""
        counts = {"read": self.report.read, "refused": self.report.refused, **self.report.entities}
        with self.session.transaction() as connection:
            end_batch(connection, self.batch_id, counts)

    def _go_through(self, again: Again, early: Early | None, progress: Progress | None = None) -> None:
        loaders = Loaders(self.session, self.source.mapping, self.clinics, self.batch_id, self.path.name, early)
        try:
            for done, shaped in ahead(self._convert(again, last=early is None)):
                for key, piece in done.pieces.items():
                    loaders.load(key, piece, shaped[key])
                for noted in (self.early, self.unread):
                    noted.note(done.early)
                self.report.left += done.left
                if progress is not None:
                    self.report.read += done.read
                    progress(done.read, done.bytes)
        except InvalidInput:
            loaders.finish(self.report)
            raise
        loaders.finish(self.report)

    def _convert(self, again: Again, *, last: bool) -> Iterator[tuple[Converted, dict[Shape, Shaped]]]:
        self.source.index.file = self.path.name
        for batch in self._batches(again.early):
            done = replace(convert(batch, self.source, note=self.note, last=last), bytes=batch.read)
            shaped = {key: shaped_rows(self.source.mapping, key, piece) for key, piece in done.pieces.items()}
            yield done, {key: again.untold(done.pieces[key], found) for key, found in shaped.items()}

    def _batches(self, only: Early | None) -> Iterable[Batch]:
        if self.batches is None:
            return read_batches(self.path, only)
        return self.batches if only is None else [some_of(batch, only) for batch in self.batches]
