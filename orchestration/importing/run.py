"""One import from start to end: files in, entities loaded, what broke the contract kept apart.

A file is loaded in pieces of about 8 MB of text; a killed import is simply run again.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import UUID, uuid4

import polars as pl

from infra.database import Server
from infra.encryption.keyring import KeyProvider
from infra.errors import InvalidInput, Refused
from infra.provisioner import Clinic, add_clinics
from infra.settings import Mode
from orchestration.importing.batches import BatchKind, begin_batch, end_batch
from orchestration.importing.early import Early, load_all
from orchestration.importing.fields import LOADING_ORDER
from orchestration.importing.mapping import FileOf, Mapping
from orchestration.importing.piece import PieceLoader
from orchestration.importing.quarantine import TOLD, Origin, Quarantine
from orchestration.importing.reading import LINE, Piece, Progress, read_pieces
from orchestration.importing.session import ImportSession, import_session
from orchestration.importing.shaping import CLINIC, CLINIC_NAME, Shaped, check_one_name_a_slug, shape

Item = TypeVar("Item")


@dataclass
class Report:
    """What the import of a file did: rows read, refused, and per entity; `told` are the first refused, and why.

    Without a batch it has done nothing, and says what it would do.
    """

    batch_id: UUID | None = None
    file: str = ""
    read: int = 0
    refused: int = 0
    told: list[tuple[int, str]] = field(default_factory=list)
    entities: Counter[str] = field(default_factory=Counter)

    def add(self, loader: PieceLoader) -> None:
        """Add what a loader did."""
        self.entities += +loader.loaded
        self.refused += loader.quarantine.count
        self.told = sorted(self.told + loader.quarantine.first)[:TOLD]


@dataclass(frozen=True)
class Import:
    """What to import: a mapping, the one clinic if the mapping names none, and the keys to encrypt with."""

    mapping: Mapping
    keys: KeyProvider
    mode: Mode
    clinic: str | None = None


def import_files(at: Server, files: list[Path], what: Import, progress: Progress) -> list[Report]:
    """Import files in the order that their entities need, and again what came before what it names.

    Folders stand for the CSV files in them. `progress` is told of the rows of each piece, and
    of the bytes that were read for it.

    Raises:
        InvalidInput: a file, its header or the mapping does not fit; what was loaded before stays.
        Refused: assumed consents outside of demo mode.
    """
    if what.mapping.consent == "assumed" and what.mode is not Mode.DEMO:
        raise Refused("`consent: assumed` works in demo mode only", hint="bring consents with their evidence")
    listed = listed_files(files, what.mapping)
    with import_session(at, what.mapping.source, what.keys, what.clinic, fires=what.mapping.fires) as session:
        imports = [FileImport(at, session, path, what) for path in listed]
        load_all(session, imports, progress)
        return [each.report for each in imports]


def listed_files(files: list[Path], mapping: Mapping) -> list[Path]:
    """The files in the order that their entities need; folders stand for the CSV files in them.

    Raises:
        InvalidInput: there is no such file, or the mapping has no entry for it.
    """
    return sorted(expanded(files), key=lambda path: _order(mapping.for_file(path)))


def expanded(files: list[Path]) -> list[Path]:
    """These files, and for a folder the CSV files in it.

    Raises:
        InvalidInput: there is no such file.
    """
    found = [inner for path in files for inner in (sorted(_csv_in(path)) if path.is_dir() else [path])]
    for path in found:
        if not path.is_file():
            raise InvalidInput(f"there is no file {path}", place=path.name)
    return found


def _csv_in(folder: Path) -> Iterator[Path]:
    yield from folder.glob("*.csv")
    yield from folder.glob("*.csv.gz")


def _order(file: FileOf) -> int:
    return min(LOADING_ORDER.index(entity.entity) for entity in file.entities)


class FileImport:
    """One file's import; `pieces` are its rows and `header` its columns where they do not come from the file itself."""

    def __init__(
        self,
        at: Server,
        session: ImportSession,
        path: Path,
        what: Import,
        pieces: Sequence[Piece] | None = None,
        header: list[str] | None = None,
    ) -> None:
        self.at, self.session, self.path, self.what = at, session, path, what
        self.mapping, self.pieces = what.mapping, pieces
        self.file = what.mapping.for_file(path)
        self.batch_id = uuid4()
        self.report = Report(self.batch_id, path.name)
        self.early = Early()
        self.clinics: dict[str, int] = {}
        self.names: dict[str, str] = {}
        self.header = header
        self.entity = self.file.entities[-1].entity
        if self.file.clinic is None and what.clinic is None and self.entity != "clinic":
            raise InvalidInput(f"{path.name} names no clinic", place="clinic", hint="give --clinic")
        if self.file.clinic is not None and what.clinic is not None:
            column = self.file.clinic.column
            raise InvalidInput(
                f"{path.name} names its clinics in '{column}'", place="clinic", hint="leave out --clinic"
            )

    def load(self, progress: Progress) -> None:
        """Load it.

        Raises:
            InvalidInput: the file, its header or the mapping does not fit; what was loaded before stays.
        """
        self._begin()
        self._go_through(self._pieces(), self.early, progress)

    def load_again(self, session: ImportSession, *, last: bool) -> None:
        """Load the lines that came too early; the last time what still does goes to quarantine."""
        only, self.early, self.session = self.early, Early(), session
        with suppress(InvalidInput):  # a file that breaks off did so the first time
            self._go_through(_of(self._pieces(), only), None if last else self.early)

    def end(self) -> None:
        """Note what came of it."""
        counts = {"read": self.report.read, "refused": self.report.refused, **self.report.entities}
        with self.session.transaction() as connection:
            end_batch(connection, self.batch_id, counts, self.header)

    def _go_through(self, pieces: Iterable[Piece], early: Early | None, progress: Progress | None = None) -> None:
        origin = Origin(self.batch_id, self.mapping.source, self.entity, self.path.name)
        quarantine = Quarantine(self.session.connection, self.session.codec, origin)
        loader = PieceLoader(self.session, self.mapping, self.file, quarantine, early=early)
        shape_one = partial(shape, mapping=self.mapping, file=self.file, clinic=self.what.clinic)
        try:
            for piece, shaped in ahead((piece, shape_one(piece.rows)) for piece in pieces):
                self._ensure_clinics(shaped)
                loader.load(piece, shaped, self.clinics)
                if progress is not None:
                    self.report.read += piece.rows.height + len(piece.broken)
                    progress(piece.rows.height + len(piece.broken), piece.read)
        except InvalidInput:
            self._finish(loader)
            raise
        self._finish(loader)

    def _finish(self, loader: PieceLoader) -> None:
        loader.finish()
        self.report.add(loader)

    def _pieces(self) -> Iterable[Piece]:
        return self.pieces if self.pieces is not None else self._read()

    def _read(self) -> Iterator[Piece]:
        of = self.file
        for piece in read_pieces(
            self.path, delimiter=of.delimiter, missing=of.missing, columns=of.columns(), only=of.only
        ):
            self.header = piece.header
            yield piece

    def _begin(self) -> None:
        with self.session.transaction() as connection:
            begin_batch(connection, self.batch_id, self.path.name, self.mapping, BatchKind.CSV, self.what.clinic)
        self._read_clinics()
        if self.what.clinic is not None and self.what.clinic not in self.clinics:
            raise InvalidInput(f"there is no clinic '{self.what.clinic}'", place="clinic", hint="`cloister clinic add`")

    def _read_clinics(self) -> None:
        with self.session.transaction() as connection:
            known = connection.execute("select slug, clinic_id, name from operational.clinic").fetchall()
        self.clinics = {slug: clinic_id for slug, clinic_id, _ in known}
        # Two names of two files become one clinic as little as two of one.
        self.names = {slug: name for slug, _, name in known}

    def _ensure_clinics(self, shaped: Shaped) -> None:
        fresh = [clinic for clinic in self._wanted_clinics(shaped) if clinic.slug not in self.clinics]
        if fresh:
            add_clinics(self.at, fresh, requested_by="import")
            self._read_clinics()

    def _wanted_clinics(self, shaped: Shaped) -> list[Clinic]:
        if "clinic" in shaped.entities:
            rows = shaped.entities["clinic"].iter_rows(named=True)
            return [Clinic(row["slug"], row["name"], row["time_zone"] or "UTC", row["country"] or "ZZ") for row in rows]
        if self.file.clinic is None or not self.file.clinic.as_slug:
            return []
        found = pl.concat([frame.select(CLINIC, CLINIC_NAME) for frame in shaped.entities.values()])
        check_one_name_a_slug(self.names, found)
        slugs = found[CLINIC].unique().drop_nulls()
        return [Clinic(slug, self.names[slug], self.mapping.time_zone, self.mapping.country) for slug in slugs]


def _of(pieces: Iterable[Piece], only: Early) -> Iterator[Piece]:
    """These lines of the pieces."""
    for piece in pieces:
        rows = piece.rows.filter(pl.Series([piece.place(line) in only for line in piece.rows[LINE]], dtype=pl.Boolean))
        if not rows.is_empty():
            yield replace(piece, rows=rows, broken=[])


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same items; the next one is made while the caller works on this one."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item
