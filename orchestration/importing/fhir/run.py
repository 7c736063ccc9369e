"""One FHIR import from start to end: files in, entities loaded, what broke the contract kept apart."""

from collections import Counter
from collections.abc import Iterable, Iterator
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
from orchestration.importing.fhir.index import NAMED, PLACES, VISITS, Index
from orchestration.importing.fhir.mapping import FhirMapping
from orchestration.importing.fhir.pieces import Converted, ResourcePiece, Shape, convert, note_in
from orchestration.importing.fhir.reading import Batch, is_ndjson, read_batches
from orchestration.importing.fhir.resources import place_of
from orchestration.importing.fhir.rows import Source, Unfit
from orchestration.importing.piece import PieceLoader
from orchestration.importing.quarantine import TOLD, Origin, Quarantine
from orchestration.importing.reading import Progress
from orchestration.importing.roster import Roster
from orchestration.importing.run import Report, ahead
from orchestration.importing.session import ImportSession, import_session
from orchestration.importing.shaping import Shaped, shape
from policies.words import ProcessAction

PATIENT = ("patient",)
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
    """Import files in the order that their resources need; folders stand for the NDJSON and JSON files in them.

    `progress` is told of the resources of each batch, and of the bytes that were read for it.

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
            return [FileImport(session, path, source, clinics).run(progress, note=not looked) for path in listed]


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
            for resource in batch.resources:
                if resource.known_as or resource.type in PLACES | VISITS | NAMED:
                    with suppress(Unfit):  # it is kept when it is converted
                        note_in(index, resource)
            progress(0, batch.read)
    return True


def shaped_rows(mapping: FhirMapping, key: Shape, piece: ResourcePiece) -> Shaped:
    """The rows of a piece as typed entities."""
    rows = mapping.for_rows(key)
    return shape(piece.rows, rows, rows.files[0], None)


class FileImport:
    """One file's import; `batches` are its resources where they do not come from the file itself."""

    def __init__(
        self,
        session: ImportSession,
        path: Path,
        source: Source,
        clinics: dict[str, int],
        batches: Iterable[Batch] | None = None,
    ) -> None:
        self.session, self.path, self.source, self.clinics = session, path, source, clinics
        self.batches = batches
        self.roster = Roster(source.mapping.source)
        self.batch_id = uuid4()
        self.report = FhirReport(self.batch_id, path.name)
        self.loaders: dict[Shape, PieceLoader] = {}
        self.last: PieceLoader | None = None

    def run(self, progress: Progress, *, note: bool) -> FhirReport:
        """Load it; with `note` the index learns from the resources on the way."""
        mapping = self.source.mapping
        # Of several clinics, whose a resource is hangs on others of its files.
        kind = None if mapping.clinics.of else BatchKind.FHIR
        with self.session.transaction() as connection:
            begin_batch(connection, self.batch_id, self.path.name, mapping, kind)
        for done, shaped in ahead(self._convert(note=note)):
            for key, piece in done.pieces.items():
                self._load(key, piece, shaped[key])
            self.report.read += done.read
            self.report.left += done.left
            progress(done.read, done.bytes)
        self._finish()
        return self.report

    def _convert(self, *, note: bool) -> Iterator[tuple[Converted, dict[Shape, Shaped]]]:
        self.source.index.file = self.path.name
        for batch in self.batches if self.batches is not None else read_batches(self.path):
            done = replace(convert(batch, self.source, note=note), bytes=batch.read)
            yield done, {key: shaped_rows(self.source.mapping, key, piece) for key, piece in done.pieces.items()}

    def _load(self, key: Shape, piece: ResourcePiece, shaped: Shaped) -> None:
        loader = self._loader(key)
        if self.last is not None and self.last is not loader:
            self.last.land()  # what comes now may name what is on its way
        loader.load(piece, shaped, self.clinics)
        self.last = loader

    def _loader(self, key: Shape) -> PieceLoader:
        if key not in self.loaders:
            mapping = self.source.mapping.for_rows(key)
            origin = Origin(self.batch_id, mapping.source, key[-1], self.path.name)
            quarantine = Quarantine(self.session.connection, self.session.codec, origin)
            # Patients have one of their own: whom it has met waits for the end of the file.
            roster = None if key == PATIENT else self.roster
            self.loaders[key] = PieceLoader(
                self.session, mapping, mapping.files[0], quarantine, ProcessAction.IMPORT_FHIR, roster
            )
        return self.loaders[key]

    def _finish(self) -> None:
        for loader in self.loaders.values():
            loader.finish()
            self.report.entities += +loader.loaded
            self.report.refused += loader.quarantine.count
            self.report.told += loader.quarantine.first
        self.report.told = sorted(self.report.told)[:TOLD]
        counts = {"read": self.report.read, "refused": self.report.refused, **self.report.entities}
        with self.session.transaction() as connection:
            end_batch(connection, self.batch_id, counts)
