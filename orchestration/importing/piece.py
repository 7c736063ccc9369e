"""One piece of a file into the database."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import psycopg

from infra.audit import record_process
from orchestration.importing import consents
from orchestration.importing.contacts import in_one_form, load_contacts
from orchestration.importing.known import resolve_patients, resolve_people, with_scope
from orchestration.importing.mapping import FileOf, Mapping
from orchestration.importing.people import load_people, load_registrations
from orchestration.importing.quarantine import Quarantine, Refused
from orchestration.importing.reading import LINE, Broken, Piece
from orchestration.importing.records import RECORDS, load_records
from orchestration.importing.session import ImportSession
from orchestration.importing.shaping import CLINIC, CLINIC_NAME, REASON, Shaped, record_id_column, slug_of
from policies.words import ProcessAction

_CLINIC_IDS = pl.Int64
# From so many rows a piece is loaded by all connections; below, one alone is quicker.
WORTH_SHARING = 20_000


class PieceLoader:
    """Loads the pieces of one file; `guardians` gathers who is to manage whom, for the file's end.

    People come first, in a transaction that also records the event; then the records, in as many
    transactions at once as there are workers; then what was refused. All of it is idempotent, so a
    piece whose load was killed is loaded again with the file.
    """

    def __init__(self, session: ImportSession, mapping: Mapping, file: FileOf, quarantine: Quarantine) -> None:
        self.session, self.mapping, self.file, self.quarantine = session, mapping, file, quarantine
        self.connection = session.connection
        self.loaded: Counter[str] = Counter()
        self.guardians: list[pl.DataFrame] = []

    def load(self, piece: Piece, shaped: Shaped, clinics: dict[str, int]) -> None:
        """Load what is whole and quarantine what is not; `clinics` maps slugs to ids."""
        refused = [_refused(shaped, clinics)]
        frames = {entity: self._prepared(frame, clinics) for entity, frame in shaped.entities.items()}
        if "patient" in frames:
            refused.append(self._judge_contacts(frames))
        for entity, frame in frames.items():
            self.loaded[entity] += frame.height
        frames.pop("clinic", None)
        # The wall of an import: its transactions name the clinics of these rows, and no others.
        touched = _clinic_ids(shaped, clinics) | self._guessed(piece, clinics)
        if frames:
            with self.session.transaction(touched) as connection:
                self._record(frames)
                refused += self._load_people(connection, frames)
            refused += self._load_records({e: f for e, f in frames.items() if e in RECORDS}, touched)
        with self.session.transaction(touched):
            self._settle(piece, pl.concat(refused), shaped, clinics)

    def _prepared(self, frame: pl.DataFrame, clinics: dict[str, int]) -> pl.DataFrame:
        ids = pl.col(CLINIC).replace_strict(clinics, default=None, return_dtype=_CLINIC_IDS)
        numbered = frame.with_columns(ids.alias("clinic_id")).drop(CLINIC, CLINIC_NAME).rename({LINE: "line"})
        if "slug" in frame.columns:  # clinics themselves belong to none
            return numbered
        return with_scope(numbered.filter(pl.col("clinic_id").is_not_null()), self.mapping.people)

    def _judge_contacts(self, frames: dict[str, pl.DataFrame]) -> pl.DataFrame:
        """Bring contacts into one form; a row with a bad one is taken out whole. Returns `line, reason`."""
        with self.session.transaction() as connection:
            countries = dict(connection.execute("select clinic_id, country from operational.clinic").fetchall())
        frames["patient"], refused = in_one_form(frames["patient"], countries)
        for entity, frame in frames.items():
            frames[entity] = frame.join(refused, on="line", how="anti", maintain_order="left")
        return refused

    def _load_people(self, connection: psycopg.Connection, frames: dict[str, pl.DataFrame]) -> list[pl.DataFrame]:
        """Load patients and consents; return `line, reason` of the consents that do not hold."""
        patients, signed = frames.get("patient"), frames.get("consent")
        if patients is not None:
            load_people(connection, self.mapping.source, patients, unite=self._unites())
            load_contacts(connection, self.session.codec, patients)
            self.guardians.append(patients.filter(pl.col("guardian_id").is_not_null()))
        named = [frame for frame in (patients, signed) if frame is not None]
        if not named:
            return []
        resolve_people(connection, self.mapping.source, named)
        if patients is not None:
            load_registrations(connection, patients)
        resolve_patients(connection)
        if patients is not None and self.mapping.consent == "assumed":
            consents.assume(connection, patients)
        if signed is None:
            return []
        consents.store_texts(connection, signed["clinic_id"].unique(), self.mapping.consent_texts)
        return [consents.load_consents(connection, signed)]

    def _load_records(self, frames: dict[str, pl.DataFrame], touched: set[int]) -> list[pl.DataFrame]:
        """Load clinical records, shared out by their own ids: two rows of one record meet in one part."""
        if not frames:
            return []
        many = max(frame.height for frame in frames.values()) >= WORTH_SHARING
        workers = self.session.workers if many else self.session.workers[:1]

        def part(index: int) -> list[pl.DataFrame]:
            with self.session.transaction(touched, workers[index]) as connection:
                mine = {entity: _share(frame, entity, index, len(workers)) for entity, frame in frames.items()}
                resolve_people(connection, self.mapping.source, list(mine.values()))
                resolve_patients(connection)
                return [load_records(connection, self.mapping.source, e, frame) for e, frame in mine.items()]

        with ThreadPoolExecutor(len(workers)) as pool:
            return [refused for found in pool.map(part, range(len(workers))) for refused in found]

    def _unites(self) -> bool:
        return any(of.flags is not None for entity in self.file.entities for of in entity.fields.values())

    def _settle(self, piece: Piece, refused: pl.DataFrame, shaped: Shaped, clinics: dict[str, int]) -> None:
        """Keep what was refused, and clear what has come whole."""
        column = record_id_column(self.file)
        where = _where(shaped, clinics)
        names = piece.rows.select(LINE, (pl.lit(None, pl.String) if column is None else pl.col(column)).alias("id"))
        placed = names.join(where, on=LINE, how="left")
        bad = placed.join(refused, left_on=LINE, right_on="line")
        if self.quarantine.any_open():
            good = placed.join(refused, left_on=LINE, right_on="line", how="anti").drop_nulls()
            self.quarantine.clear(good.select("clinic_id", "id").iter_rows())
        contents = piece.contents(bad[LINE].to_list())
        self.quarantine.add(
            [
                Refused(line, reason, contents[line], clinic_id, name)
                for line, reason, clinic_id, name in bad.sort(LINE)
                .select(LINE, "reason", "clinic_id", "id")
                .iter_rows()
            ]
            + [self._broken(piece, found, column, clinics) for found in sorted(piece.broken)]
        )

    def _guessed(self, piece: Piece, clinics: dict[str, int]) -> set[int]:
        homes = {self._broken(piece, found, None, clinics).clinic_id for found in piece.broken}
        return {home for home in homes if home is not None}

    def _broken(self, piece: Piece, found: Broken, column: str | None, clinics: dict[str, int]) -> Refused:
        """A line that is no row, with as much of its clinic and id as can be read."""
        of = self.file.clinic
        slug = self.session.clinic if of is None else piece.guess(found.content, of.column)
        if of is not None and of.as_slug and slug is not None:
            slug = slug_of(slug)
        home = clinics.get(slug) if slug is not None else None
        return Refused(found.line, found.reason, found.content, home, piece.guess(found.content, column))

    def _record(self, frames: dict[str, pl.DataFrame]) -> None:
        touched = pl.concat([frame.select("clinic_id", "source_id") for frame in frames.values()])
        for clinic_id, patients in touched.group_by("clinic_id").agg(pl.col("source_id").n_unique()).iter_rows():
            record_process(
                self.connection,
                role="importer",
                action=ProcessAction.IMPORT_CSV,
                resource_type="patient",
                clinic_id=clinic_id,
                patients=patients,
                batch_id=self.quarantine.origin.batch_id,
            )


def _clinic_ids(shaped: Shaped, clinics: dict[str, int]) -> set[int]:
    """The clinics that whole or refused rows of a piece name."""
    frames = [*shaped.entities.values(), shaped.refused]
    return {clinics[slug] for frame in frames for slug in frame[CLINIC].unique() if slug in clinics}


def _share(frame: pl.DataFrame, entity: str, index: int, parts: int) -> pl.DataFrame:
    if parts == 1:
        return frame
    return frame.filter(pl.struct("clinic_id", *RECORDS[entity].identity).hash() % parts == index)


def _where(shaped: Shaped, clinics: dict[str, int]) -> pl.DataFrame:
    """`__line__, clinic_id` of every row, whole or refused; null where the clinic is unknown."""
    frames = [frame.select(LINE, CLINIC) for frame in (*shaped.entities.values(), shaped.refused)]
    ids = pl.col(CLINIC).replace_strict(clinics, default=None, return_dtype=_CLINIC_IDS)
    return pl.concat(frames).unique(LINE).select(LINE, ids.alias("clinic_id"))


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
