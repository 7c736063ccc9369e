"""One piece of a file into the database, in the caller's transaction."""

from collections import Counter

import polars as pl
import psycopg

from infra.audit import record_process
from infra.database import set_clinics
from infra.encryption.keyring import KeyProvider
from orchestration.importing import consents
from orchestration.importing.contacts import load_contacts
from orchestration.importing.known import resolve_patients, resolve_people, with_scope
from orchestration.importing.mapping import FileOf, Mapping
from orchestration.importing.people import load_people, load_registrations
from orchestration.importing.quarantine import Quarantine, Refused
from orchestration.importing.reading import LINE, Piece
from orchestration.importing.records import RECORDS, load_records
from orchestration.importing.shaping import CLINIC, CLINIC_NAME, REASON, Shaped, record_id_column

_CLINIC_IDS = pl.Int64


class PieceLoader:
    """Loads the pieces of one file; `guardians` gathers who is to manage whom, for the file's end."""

    def __init__(
        self, connection: psycopg.Connection, mapping: Mapping, file: FileOf, keys: KeyProvider, quarantine: Quarantine
    ) -> None:
        self.connection, self.mapping, self.file = connection, mapping, file
        self.keys, self.quarantine = keys, quarantine
        self.loaded: Counter[str] = Counter()
        self.guardians: list[pl.DataFrame] = []

    def load(self, piece: Piece, shaped: Shaped, clinics: dict[str, int]) -> None:
        """Load what is whole, quarantine what is not, record the event; `clinics` maps slugs to ids."""
        refused = _refused(shaped, clinics)
        frames = {entity: self._prepared(frame, clinics) for entity, frame in shaped.entities.items()}
        self.loaded["clinic"] += frames.pop("clinic").height if "clinic" in frames else 0
        set_clinics(self.connection, clinics.values())
        if frames:
            refused = pl.concat([refused, *self._load(frames)])
        self._settle(piece, refused, frames)

    def _prepared(self, frame: pl.DataFrame, clinics: dict[str, int]) -> pl.DataFrame:
        ids = pl.col(CLINIC).replace_strict(clinics, default=None, return_dtype=_CLINIC_IDS)
        numbered = frame.with_columns(ids.alias("clinic_id")).drop(CLINIC, CLINIC_NAME).rename({LINE: "line"})
        if "slug" in frame.columns:  # clinics themselves belong to none
            return numbered
        return with_scope(numbered.filter(pl.col("clinic_id").is_not_null()), self.mapping.people)

    def _load(self, frames: dict[str, pl.DataFrame]) -> list[pl.DataFrame]:
        """Load every entity; return `line, reason` of the rows that name what is not there."""
        patients = frames.get("patient")
        if patients is not None:
            load_people(self.connection, self.mapping.source, patients, unite=self._unites())
            load_contacts(self.connection, self.keys, patients)
            self.guardians.append(patients.filter(pl.col("guardian_id").is_not_null()))
        resolve_people(self.connection, self.mapping.source, list(frames.values()))
        if patients is not None:
            load_registrations(self.connection, patients)
        resolve_patients(self.connection)
        if patients is not None and self.mapping.consent == "assumed":
            consents.assume(self.connection, patients)
        refused = []
        for entity, frame in frames.items():
            self.loaded[entity] += frame.height
            if entity == "consent":
                consents.store_texts(self.connection, frame["clinic_id"].unique(), self.mapping.consent_texts)
                refused.append(consents.load_consents(self.connection, frame))
            elif entity in RECORDS:
                refused.append(load_records(self.connection, self.mapping.source, entity, frame))
        return refused

    def _unites(self) -> bool:
        return any(of.flags is not None for entity in self.file.entities for of in entity.fields.values())

    def _settle(self, piece: Piece, refused: pl.DataFrame, frames: dict[str, pl.DataFrame]) -> None:
        """Keep what was refused, clear what has come whole, and record one event a clinic."""
        rows, column = piece.rows, record_id_column(self.file)
        lines = refused["line"].to_list()
        ids: dict[int, str] = {}
        if column is not None:
            good = rows.filter(~pl.col(LINE).is_in(lines))
            self.quarantine.clear(good[column].drop_nulls(), good[LINE])
            ids = dict(rows.filter(pl.col(LINE).is_in(lines)).select(LINE, column).drop_nulls().iter_rows())
        homes = {} if not lines else _clinic_of_line(frames)
        contents = piece.contents(lines)
        self.quarantine.add(
            [
                Refused(line, reason, contents[line], homes.get(line), ids.get(line))
                for line, reason in refused.iter_rows()
            ]
            + [Refused(found.line, found.reason, found.content) for found in sorted(piece.broken)]
        )
        self._record(frames)

    def _record(self, frames: dict[str, pl.DataFrame]) -> None:
        if not frames:
            return
        touched = pl.concat([frame.select("clinic_id", "source_id") for frame in frames.values()])
        for clinic_id, patients in touched.group_by("clinic_id").agg(pl.col("source_id").n_unique()).iter_rows():
            record_process(
                self.connection,
                role="importer",
                action="import.csv",
                resource_type="patient",
                clinic_id=clinic_id,
                patients=patients,
                batch_id=self.quarantine.origin.batch_id,
            )


def _clinic_of_line(frames: dict[str, pl.DataFrame]) -> dict[int, int]:
    return {
        line: clinic_id
        for frame in frames.values()
        for line, clinic_id in frame.select("line", "clinic_id").iter_rows()
    }


def _refused(shaped: Shaped, clinics: dict[str, int]) -> pl.DataFrame:
    """`line, reason` of the rows that broke the contract, or belong to no known clinic."""
    schema = {"line": pl.Int64, "reason": pl.String}
    found = [shaped.refused.select(pl.col(LINE).alias("line"), pl.col(REASON).alias("reason"))]
    for entity, frame in shaped.entities.items():
        if entity != "clinic":
            unknown = frame.filter(~pl.col(CLINIC).is_in(list(clinics)))
            found.append(unknown.select(pl.col(LINE).alias("line"), pl.lit("clinic: is unknown").alias("reason")))
            break
    return pl.concat(found).cast(schema)  # type: ignore[arg-type]
