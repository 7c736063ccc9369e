"""One import from start to end: files in, entities loaded, what broke the contract kept apart.

A piece of a file (about 16 MB of text) is one transaction: rows, quarantine and audit event commit
together, and a killed import is simply run again.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import polars as pl
import psycopg

from infra.database import Server, connect, set_context
from infra.encryption.keyring import KeyProvider
from infra.errors import InvalidInput, Refused
from infra.provisioner import Clinic, add_clinics
from infra.roles import Login
from infra.settings import Mode
from orchestration.importing import consents
from orchestration.importing.contacts import load_contacts
from orchestration.importing.fields import LOADING_ORDER
from orchestration.importing.known import resolve_patients, resolve_people, with_scope
from orchestration.importing.mapping import FileOf, Mapping
from orchestration.importing.people import load_guardians, load_people, load_registrations
from orchestration.importing.quarantine import Origin, Quarantine
from orchestration.importing.quarantine import Refused as RefusedRow
from orchestration.importing.reading import LINE, Piece, read_pieces
from orchestration.importing.records import RECORDS, Target, load_records
from orchestration.importing.shaping import (
    CLINIC,
    CLINIC_NAME,
    REASON,
    Shaped,
    check_one_name_a_slug,
    record_id_column,
    shape,
)


@dataclass
class Report:
    """What an import did: rows read, rows refused, rows per entity, and its batch."""

    batch_id: UUID
    read: int = 0
    refused: int = 0
    entities: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Import:
    """What to import: a mapping, the one clinic if the mapping names none, and the keys to encrypt with."""

    mapping: Mapping
    keys: KeyProvider
    mode: Mode
    clinic: str | None = None


def import_files(at: Server, files: list[Path], what: Import, progress: Callable[[int], None]) -> list[Report]:
    """Import files in the order that their entities need; folders stand for the CSV files in them.

    `progress` is told the number of rows after each piece.

    Raises:
        InvalidInput: a file, its header or the mapping does not fit; what was loaded before stays.
        Refused: assumed consents outside of demo mode.
    """
    if what.mapping.consent == "assumed" and what.mode is not Mode.DEMO:
        raise Refused("`consent: assumed` works in demo mode only", hint="bring consents with their evidence")
    listed = sorted(_expand(files), key=lambda path: _order(what.mapping.for_file(path)))
    with connect(Login.IMPORTER, at=at) as connection:
        return [_FileImport(at, connection, path, what).run(progress) for path in listed]


def _expand(files: list[Path]) -> list[Path]:
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


class _FileImport:
    """One file's import."""

    def __init__(self, at: Server, connection: psycopg.Connection, path: Path, what: Import) -> None:
        self.at, self.connection, self.path, self.what = at, connection, path, what
        self.mapping = what.mapping
        self.file = what.mapping.for_file(path)
        self.report = Report(uuid4())
        self.clinics: dict[str, tuple[int, str]] = {}
        self.names: dict[str, str] = {}
        self.guardians: list[pl.DataFrame] = []
        entity = self.file.entities[-1].entity
        origin = Origin(self.report.batch_id, self.mapping.source, entity, path.name)
        self.quarantine = Quarantine(connection, what.keys, origin)
        if self.file.clinic is None and what.clinic is None and entity != "clinic":
            raise InvalidInput(f"{path.name} names no clinic", place="clinic", hint="give --clinic")

    def run(self, progress: Callable[[int], None]) -> Report:
        self._begin()
        pieces = read_pieces(
            self.path, delimiter=self.file.delimiter, missing=self.file.missing, columns=self.file.columns()
        )
        for piece in pieces:
            shaped = shape(piece.rows, self.mapping, self.file, self.what.clinic)
            self._ensure_clinics(shaped)
            with self.connection.transaction():
                self._lock()
                self._load(piece, shaped)
            self.report.read += piece.rows.height + len(piece.broken)
            progress(piece.rows.height + len(piece.broken))
        self._finish()
        return self.report

    def _begin(self) -> None:
        with self.connection.transaction():
            self.connection.execute(
                "insert into operational.import_batch (batch_id, source, file) values (%s, %s, %s)",
                [self.report.batch_id, self.mapping.source, self.path.name],
            )
        self._read_clinics()

    def _finish(self) -> None:
        self.report.refused = self.quarantine.count
        counts = {"read": self.report.read, "refused": self.report.refused, **self.report.entities}
        with self.connection.transaction():
            self._lock()
            for frame in self.guardians:
                load_guardians(self.connection, self.mapping.source, frame, datetime.now(UTC).date())
            self.connection.execute(
                "update operational.import_batch set finished_at = statement_timestamp(), counts = %s"
                " where batch_id = %s",
                [json.dumps(counts), self.report.batch_id],
            )

    def _lock(self) -> None:
        # Two imports of one source would each make its people.
        self.connection.execute(
            "select pg_advisory_xact_lock(hashtextextended('cloister.import.' || %s, 0))",
            [self.mapping.source],
        )

    def _read_clinics(self) -> None:
        with self.connection.transaction():
            rows = self.connection.execute("select slug, clinic_id, time_zone from operational.clinic").fetchall()
        self.clinics = {slug: (clinic_id, time_zone) for slug, clinic_id, time_zone in rows}

    def _ensure_clinics(self, shaped: Shaped) -> None:
        wanted: list[Clinic] = []
        if "clinic" in shaped.entities:
            wanted = [
                Clinic(row["slug"], row["name"], row["time_zone"] or "UTC", row["country"] or "ZZ")
                for row in shaped.entities["clinic"].iter_rows(named=True)
            ]
        elif self.file.clinic is not None and self.file.clinic.as_slug:
            found = pl.concat([frame.select(CLINIC, CLINIC_NAME) for frame in shaped.entities.values()])
            check_one_name_a_slug(self.names, found)
            wanted = [
                Clinic(slug, self.names[slug], self.mapping.time_zone, self.mapping.country)
                for slug in found[CLINIC].unique().drop_nulls()
            ]
        fresh = [clinic for clinic in wanted if clinic.slug not in self.clinics]
        if fresh:
            add_clinics(self.at, fresh, requested_by="import")
            self._read_clinics()
        elif self.what.clinic is not None and self.what.clinic not in self.clinics:
            raise InvalidInput(f"there is no clinic '{self.what.clinic}'", place="clinic", hint="`cloister clinic add`")

    def _load(self, piece: Piece, shaped: Shaped) -> None:
        unknown = [slug for slug in self._slugs(shaped) if slug not in self.clinics]
        self._quarantine_rows(piece, shaped, unknown)
        frames = {
            entity: with_scope(frame.filter(~pl.col(CLINIC).is_in(unknown)), self.mapping.people)
            for entity, frame in shaped.entities.items()
            if entity != "clinic"
        }
        if "patient" in frames:
            self._load_people(frames["patient"])
        if frames:
            resolve_people(self.connection, self.mapping.source, list(frames.values()))
        for slug in sorted({slug for frame in frames.values() for slug in frame[CLINIC].unique()}):
            self._load_clinic(piece, slug, {e: _staged(f.filter(pl.col(CLINIC) == slug)) for e, f in frames.items()})
        if "clinic" in shaped.entities:
            self.report.entities["clinic"] += shaped.entities["clinic"].height

    def _slugs(self, shaped: Shaped) -> set[str]:
        return {
            slug for entity, frame in shaped.entities.items() if entity != "clinic" for slug in frame[CLINIC].unique()
        }

    def _load_people(self, patients: pl.DataFrame) -> None:
        unite = any(of.flags is not None for entity in self.file.entities for of in entity.fields.values())
        load_people(self.connection, self.mapping.source, patients, unite=unite)
        load_contacts(self.connection, self.what.keys, patients)
        self.guardians.append(patients.filter(pl.col("guardian_id").is_not_null()))
        self.connection.execute("drop table stage_person")

    def _load_clinic(self, piece: Piece, slug: str, frames: dict[str, pl.DataFrame]) -> None:
        clinic_id, time_zone = self.clinics[slug]
        set_context(self.connection, clinic_id=clinic_id)
        refused: list[pl.DataFrame] = []
        if "patient" in frames:
            load_registrations(self.connection, clinic_id, slug, frames["patient"])
        resolve_patients(self.connection, clinic_id, slug)
        if "patient" in frames and self.mapping.consent == "assumed":
            consents.assume(self.connection, clinic_id, frames["patient"])
        if "consent" in frames:
            consents.store_texts(self.connection, clinic_id, self.mapping.consent_texts)
            refused.append(consents.load_consents(self.connection, clinic_id, frames["consent"]))
        for entity, frame in frames.items():
            if entity in RECORDS:
                target = Target(self.mapping.source, clinic_id, time_zone)
                refused.append(load_records(self.connection, target, entity, frame))
        self.connection.execute("drop table stage_here")
        self._after_clinic(piece, clinic_id, frames, pl.concat(refused) if refused else None)

    def _after_clinic(
        self, piece: Piece, clinic_id: int, frames: dict[str, pl.DataFrame], refused: pl.DataFrame | None
    ) -> None:
        last = frames[self.file.entities[-1].entity]
        identity = "record_id" if "record_id" in last.columns else "source_id"
        bad = [] if refused is None else refused["line"].to_list()
        good = last.filter(~pl.col("line").is_in(bad))
        self.quarantine.clear(clinic_id, good[identity], good["line"])
        if refused is not None and bad:
            contents = piece.contents(bad)
            ids = dict(last.select("line", identity).iter_rows())
            self.quarantine.add(
                RefusedRow(line, reason, contents[line], clinic_id, ids.get(line))
                for line, reason in refused.iter_rows()
            )
        for entity, frame in frames.items():
            self.report.entities[entity] += frame.height
        record_process(
            self.connection,
            role="importer",
            action="import.csv",
            resource_type="patient",
            clinic_id=clinic_id,
            patients=last["source_id"].n_unique(),
            batch_id=self.report.batch_id,
        )

    def _quarantine_rows(self, piece: Piece, shaped: Shaped, unknown: list[str]) -> None:
        lost = [
            row
            for frame in list(shaped.entities.values())[:1]
            for row in frame.filter(pl.col(CLINIC).is_in(unknown)).select(LINE).to_series()
        ]
        reasons = dict(shaped.refused.select(LINE, REASON).iter_rows()) | dict.fromkeys(lost, "clinic: is unknown")
        rows = {line: self._clinic_of(shaped, line) for line in reasons}
        ids = self._identities(piece.rows, list(reasons))
        contents = piece.contents(list(reasons))
        self.quarantine.add(
            [RefusedRow(line, reasons[line], contents[line], rows[line], ids.get(line)) for line in sorted(reasons)]
            + [RefusedRow(found.line, found.reason, found.content) for found in sorted(piece.broken)]
        )

    def _clinic_of(self, shaped: Shaped, line: int) -> int | None:
        slugs = shaped.refused.filter(pl.col(LINE) == line)[CLINIC].to_list()
        known = self.clinics.get(slugs[0]) if slugs and slugs[0] else None
        return known[0] if known else None

    def _identities(self, rows: pl.DataFrame, lines: list[int]) -> dict[int, str]:
        column = record_id_column(self.file)
        if column is None:
            return {}
        return dict(rows.filter(pl.col(LINE).is_in(lines)).select(LINE, column).drop_nulls().iter_rows())


def _staged(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.drop(CLINIC, CLINIC_NAME).rename({LINE: "line"})
