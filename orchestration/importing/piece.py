"""One piece of a file into the database."""

from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass

import polars as pl
import psycopg

from infra.audit import record_process
from orchestration.importing import consents
from orchestration.importing.contacts import in_one_form
from orchestration.importing.early import NOT_YET, Early
from orchestration.importing.facts import load_facts
from orchestration.importing.guardians import load_own_guardians
from orchestration.importing.known import resolve_patients, resolve_people, with_scope
from orchestration.importing.mapping import FileOf, Mapping
from orchestration.importing.patients import PatientLoader
from orchestration.importing.people import load_guardians
from orchestration.importing.quarantine import Quarantine, Refused
from orchestration.importing.reading import LINE, Broken, RowSource
from orchestration.importing.records import RECORDS, RecordLoader
from orchestration.importing.roster import Roster
from orchestration.importing.session import ImportSession
from orchestration.importing.shaping import CLINIC, CLINIC_NAME, REASON, Shaped, identity_columns, slug_of
from orchestration.importing.templates import load_templates
from policies.words import ProcessAction

_CLINIC_IDS = pl.Int64


@dataclass(frozen=True)
class _Flight:
    """A piece whose records are on their way: `placed` as of `_placed`, `refused` frames of `line, reason`."""

    piece: RowSource
    placed: pl.DataFrame
    clinics: dict[str, int]
    touched: set[int]
    refused: list[pl.DataFrame]
    parts: list[Future[list[pl.DataFrame]]]


class PieceLoader:
    """Loads the pieces of one file, and notes in `early` the lines that name what has not come yet.

    Without `early` these go to quarantine as well: it is the last time that they are tried.

    The event comes first; then people, new ones in the lanes; then the records, in a transaction a lane, while the
    next piece is prepared; then what was refused. All of it is idempotent, so a piece whose load was killed is
    loaded again with the file.
    """

    def __init__(
        self,
        session: ImportSession,
        mapping: Mapping,
        file: FileOf,
        quarantine: Quarantine,
        action: ProcessAction = ProcessAction.IMPORT_CSV,
        roster: Roster | None = None,
        early: Early | None = None,
    ) -> None:
        self.session, self.mapping, self.file, self.quarantine = session, mapping, file, quarantine
        self._action, self._early = action, early
        self.loaded: Counter[str] = Counter()
        self.roster = roster or Roster(mapping.source)
        self.records = RecordLoader(mapping.source)
        unite = any(of.flags is not None for entity in file.entities for of in entity.fields.values())
        assumed = mapping.consent == "assumed"
        repeats = any(of.entity in RECORDS for of in file.entities)
        self.patients = PatientLoader(
            session, mapping.source, self.roster, assumed=assumed, unite=unite, repeats=repeats
        )
        self._flying: _Flight | None = None

    def load(self, piece: RowSource, shaped: Shaped, clinics: dict[str, int]) -> None:
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
        records: dict[str, pl.DataFrame] = {}
        if frames:
            if "patient" in frames:
                self._store_patients(frames, touched)
            with self.session.transaction(touched) as connection:
                if "patient" not in frames:
                    self._record(connection, frames)
                refused += self._load_people(connection, frames)
                records = {e: self.roster.meet(connection, frame) for e, frame in frames.items() if e in RECORDS}
        parts = self._send(records, touched) if records else []
        self.land()
        placed = self._placed(piece, shaped, clinics)
        self._flying = _Flight(piece, placed, dict(clinics), touched, refused, parts)

    def finish(self) -> None:
        """Store what was kept for the end of the file, wait for the last piece, and close what has come whole."""
        self.patients.finish()
        self.land()
        with self.session.transaction(self.quarantine.seen):
            self.quarantine.close()

    def land(self) -> None:
        """Wait for the records of the piece on its way, and put its refused rows into quarantine."""
        flight, self._flying = self._flying, None
        if flight is not None:
            refused = flight.refused + [found for part in flight.parts for found in part.result()]
            with self.session.transaction(flight.touched):
                self._settle(flight.piece, pl.concat(refused), flight.placed, flight.clinics)

    def _store_patients(self, frames: dict[str, pl.DataFrame], touched: set[int]) -> None:
        """Store patients, some of them in the lanes: the event has to be there before."""
        self.patients.make_way(frames["patient"])
        with self.session.transaction(touched) as connection:
            self._record(connection, frames)
        self.patients.load(frames["patient"])

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
        if not refused.is_empty():
            for entity, frame in frames.items():
                frames[entity] = frame.join(refused, on="line", how="anti", maintain_order="left")
        return refused

    def _load_people(self, connection: psycopg.Connection, frames: dict[str, pl.DataFrame]) -> list[pl.DataFrame]:
        """Load what is said of patients as people, and templates; return `line, reason` of what does not hold."""
        source, patients = self.mapping.source, frames.get("patient")
        refused = [load_templates(connection, frames["template"])] if "template" in frames else []
        if patients is not None:
            refused.append(load_guardians(connection, source, patients))
        told = {entity: frames[entity] for entity in ("guardian", "fact", "consent") if entity in frames}
        if not told:
            return refused
        resolve_people(connection, source, list(told.values()))
        resolve_patients(connection)
        if "guardian" in told:
            refused.append(load_own_guardians(connection, self.session.codec, source, told["guardian"]))
        if "fact" in told:
            refused.append(load_facts(connection, source, told["fact"]))
        if "consent" in told:
            consents.store_texts(connection, told["consent"]["clinic_id"].unique(), self.mapping.consent_texts)
            refused.append(consents.load_consents(connection, told["consent"]))
        return refused

    def _send(self, frames: dict[str, pl.DataFrame], touched: set[int]) -> list[Future[list[pl.DataFrame]]]:
        """Give the records to the lanes, by their own ids: two rows of one record meet in one lane, in order."""
        # Rows of one entity may name rows of another, which then have to be in the same transaction.
        lanes = self.session.lanes if len(frames) == 1 else self.session.lanes[:1]
        shares = {entity: _shared_out(frame, entity, len(lanes)) for entity, frame in frames.items()}
        return [
            lane.thread.submit(
                self._load_records, lane.connection, {entity: parts[index] for entity, parts in shares.items()}, touched
            )
            for index, lane in enumerate(lanes)
        ]

    def _load_records(
        self, connection: psycopg.Connection, frames: dict[str, pl.DataFrame], touched: set[int]
    ) -> list[pl.DataFrame]:
        with self.session.transaction(touched, connection):
            # Whose time zone tells the days of these rows; in one order, as whoever else holds several.
            connection.execute("select operational.hold_days(c) from unnest(%s::integer[]) as c", [sorted(touched)])
            return [self.records.load(connection, entity, frame) for entity, frame in frames.items()]

    def _placed(self, piece: RowSource, shaped: Shaped, clinics: dict[str, int]) -> pl.DataFrame:
        """What `_settle` has to know of all rows, `__line__, id, clinic_id`: the rest need not be kept so long."""
        names = piece.rows.select(LINE, _identity(self._naming(piece)).alias("id"))
        return names.join(_where(shaped, clinics), on=LINE, how="left")

    def _naming(self, piece: RowSource) -> list[str]:
        return [piece.identity] if piece.identity else identity_columns(self.file)

    def _settle(self, piece: RowSource, refused: pl.DataFrame, placed: pl.DataFrame, clinics: dict[str, int]) -> None:
        """Keep what was refused, and clear what has come whole."""
        columns = self._naming(piece)
        bad = self._without_early(piece, placed.join(refused, left_on=LINE, right_on="line"))
        if self.quarantine.awaits(placed["clinic_id"].drop_nulls().unique()):
            self.quarantine.note_arrived(placed.join(refused, left_on=LINE, right_on="line", how="anti").drop_nulls())
        contents = piece.contents(bad[LINE].to_list())
        self.quarantine.add(
            [
                Refused(piece.place(line), reason, contents[line], clinic_id, name)
                for line, reason, clinic_id, name in bad.sort(LINE)
                .select(LINE, "reason", "clinic_id", "id")
                .iter_rows()
            ]
            + [self._broken(piece, found, columns, clinics) for found in sorted(piece.broken)]
        )

    def _without_early(self, piece: RowSource, bad: pl.DataFrame) -> pl.DataFrame:
        """What is refused for good; of the rest the lines are noted, to be counted once it is in."""
        if self._early is None:
            return bad
        lines = bad.filter(pl.col("reason").is_in(NOT_YET))[LINE].unique()
        self._early.note(piece.place(line) for line in lines)
        for entity in {of.entity for of in self.file.entities}:
            self.loaded[entity] -= lines.len()
        return bad.filter(~pl.col(LINE).is_in(lines.to_list()))

    def _guessed(self, piece: RowSource, clinics: dict[str, int]) -> set[int]:
        homes = {self._broken(piece, found, [], clinics).clinic_id for found in piece.broken}
        return {home for home in homes if home is not None}

    def _broken(self, piece: RowSource, found: Broken, columns: list[str], clinics: dict[str, int]) -> Refused:
        """A line that is no row, with as much of its clinic and id as can be read."""
        of = self.file.clinic
        slug = self.session.clinic if of is None else piece.guess(found.content, of.column)
        if of is not None and of.as_slug and slug is not None:
            slug = slug_of(slug)
        home = clinics.get(slug) if slug is not None else None
        identity = piece.guess(found.content, columns[0]) if len(columns) == 1 else None
        return Refused(found.line, found.reason, found.content, home, identity)

    def _record(self, connection: psycopg.Connection, frames: dict[str, pl.DataFrame]) -> None:
        nobody = pl.lit(None, pl.String).alias("source_id")
        touched = pl.concat(
            [frame.select("clinic_id", "source_id" if "source_id" in frame else nobody) for frame in frames.values()]
        )
        counts = touched.group_by("clinic_id").agg(pl.col("source_id").drop_nulls().n_unique())
        with connection.pipeline():
            for clinic_id, patients in counts.iter_rows():
                record_process(
                    connection,
                    role="importer",
                    action=self._action,
                    resource_type="patient",
                    clinic_id=clinic_id,
                    patients=patients,
                    batch_id=self.quarantine.origin.batch_id,
                )


def _identity(columns: list[str]) -> pl.Expr:
    """What tells a row from all others: nothing does where the first of the columns is empty."""
    if not columns:
        return pl.lit(None, pl.String)
    first, *others = map(pl.col, columns)
    return pl.concat_str([first, *(other.fill_null("") for other in others)], separator="\x1f")


def _clinic_ids(shaped: Shaped, clinics: dict[str, int]) -> set[int]:
    """The clinics that whole or refused rows of a piece name."""
    frames = [*shaped.entities.values(), shaped.refused]
    return {clinics[slug] for frame in frames for slug in frame[CLINIC].unique() if slug in clinics}


def _shared_out(frame: pl.DataFrame, entity: str, lanes: int) -> list[pl.DataFrame]:
    if lanes == 1:
        return [frame]
    lane = frame.select(pl.struct("clinic_id", *RECORDS[entity].identity).hash() % lanes).to_series()
    return [frame.filter(lane == index) for index in range(lanes)]


def _where(shaped: Shaped, clinics: dict[str, int]) -> pl.DataFrame:
    """`__line__, clinic_id` of every row, whole or refused; null where the clinic is unknown."""
    whole = next(iter(shaped.entities.values()))  # each entity of a row is whole, or none is
    ids = pl.col(CLINIC).replace_strict(clinics, default=None, return_dtype=_CLINIC_IDS)
    return pl.concat([frame.select(LINE, ids.alias("clinic_id")) for frame in (whole, shaped.refused)])


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
