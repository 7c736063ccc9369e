"""The rows of a FHIR file into the database: a loader for each shape that its resources become."""

from dataclasses import dataclass, replace
from uuid import UUID

import polars as pl

from orchestration.importing.early import Early
from orchestration.importing.fhir.mapping import FhirMapping
from orchestration.importing.fhir.pieces import ResourcePiece, Shape
from orchestration.importing.piece import PieceLoader
from orchestration.importing.quarantine import Origin, Quarantine
from orchestration.importing.reading import LINE
from orchestration.importing.roster import Roster
from orchestration.importing.run import Report
from orchestration.importing.session import ImportSession
from orchestration.importing.shaping import Shaped, shape
from policies.words import ProcessAction

PATIENT = ("patient",)


def shaped_rows(mapping: FhirMapping, key: Shape, piece: ResourcePiece) -> Shaped:
    """The rows of a piece as typed entities."""
    rows = mapping.for_rows(key)
    return shape(piece.rows, rows, rows.files[0], None)


@dataclass(frozen=True)
class Again:
    """Which resources of a file are read again, and which of them were no rows yet; None the first time."""

    early: Early | None
    unread: Early | None

    def untold(self, piece: ResourcePiece, shaped: Shaped) -> Shaped:
        """The rows without those that were kept apart the first time, nor, in the piece, what was broken then."""
        if self.unread is None:
            return shaped
        unread = self.unread
        piece.broken = [one for one in piece.broken if one.line in unread]
        anew = pl.Series([piece.place(line) in unread for line in shaped.refused[LINE]], dtype=pl.Boolean)
        return replace(shaped, refused=shaped.refused.filter(anew))


class Loaders:
    """The loaders of one file's rows, by shape."""

    def __init__(
        self,
        session: ImportSession,
        mapping: FhirMapping,
        clinics: dict[str, int],
        batch_id: UUID,
        file: str,
        early: Early | None,
    ) -> None:
        self._session, self._mapping, self._clinics = session, mapping, clinics
        self._batch_id, self._file, self._early = batch_id, file, early
        self._roster = Roster(mapping.source)
        self._by_shape: dict[Shape, PieceLoader] = {}
        self._last: PieceLoader | None = None

    def load(self, key: Shape, piece: ResourcePiece, shaped: Shaped) -> None:
        """Load rows of one shape."""
        loader = self._loader(key)
        if self._last is not None and self._last is not loader:
            self._last.land()  # what comes now may name what is on its way
        loader.load(piece, shaped, self._clinics)
        self._last = loader

    def finish(self, report: Report) -> None:
        """Store what is on its way, and add what was done to the report."""
        for loader in self._by_shape.values():
            loader.finish()
            report.add(loader)

    def _loader(self, key: Shape) -> PieceLoader:
        if key not in self._by_shape:
            mapping = self._mapping.for_rows(key)
            origin = Origin(self._batch_id, mapping.source, key[-1], self._file)
            quarantine = Quarantine(self._session.connection, self._session.codec, origin)
            # Patients have one of their own: whom it has met waits for the end of the file.
            roster = None if key == PATIENT else self._roster
            self._by_shape[key] = PieceLoader(
                self._session, mapping, mapping.files[0], quarantine, ProcessAction.IMPORT_FHIR, roster, self._early
            )
        return self._by_shape[key]
