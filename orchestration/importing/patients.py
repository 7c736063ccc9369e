"""Patients of an import: new ones at once, what later rows say of them folded into one row until the end.

A file may name the same patient in every piece. Their records need the registration and nothing else,
so what changes of name, profile and contacts can wait; a killed import is run again and catches up.

People who are new to the source are stored in the lanes, a share each: no two lanes write rows of one person.
"""

import polars as pl
import psycopg

from orchestration.importing import consents
from orchestration.importing.contacts import load_contacts
from orchestration.importing.folding import AT_CLINIC, asserted, fold
from orchestration.importing.known import KEY, resolve_patients, resolve_people
from orchestration.importing.people import load_people, load_registrations
from orchestration.importing.roster import Roster
from orchestration.importing.session import ImportSession

# Folded rows that wait at most, and that are remembered at most as stored, so that memory stays flat.
MOST_WAITING = 200_000


class PatientLoader:
    """Loads patients of one file; `unite`: sets made of flags add up over the rows of a person.

    Where it `repeats` a patient, as with each of their records, rows that say nothing new are not stored again.
    """

    def __init__(
        self, session: ImportSession, source: str, roster: Roster, *, assumed: bool, unite: bool, repeats: bool
    ) -> None:
        self._session, self._source, self._roster = session, source, roster
        self._assumed, self._unite, self._repeats = assumed, unite, repeats
        self._waiting: pl.DataFrame | None = None
        self._stored: pl.DataFrame | None = None

    def make_way(self, patients: pl.DataFrame) -> None:
        """Store what waits before these rows are loaded, if it is too much, or earlier rows of people to be stored.

        A person who is new to a clinic, or forgotten, is stored at once: what the file said before comes first.
        """
        if self._waiting is None:
            return
        at_once = self._roster.placed(patients).filter(pl.col("patient_id").is_null())
        overtaken = not at_once.join(self._waiting, on=KEY, how="semi").is_empty()
        if overtaken or self._waiting.height > MOST_WAITING:
            self.finish()

    def load(self, patients: pl.DataFrame) -> None:
        """Store the patients that are new to this import; keep the rest for `finish`."""
        known = self._roster.placed(patients)["patient_id"].is_not_null()
        rows = asserted(patients)
        self._wait(rows.filter(known))
        if not known.all():
            self._store_met(fold(rows.filter(~known), unite=self._unite))

    def finish(self) -> None:
        """Store what waits and says more than what was stored of the patient, in a transaction of its own."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            more = self._saying_more(waiting)
            self._forget(more)
            self._store_apart(self._session.connection, more)

    def _saying_more(self, waiting: pl.DataFrame) -> pl.DataFrame:
        """Those of these rows that change, folded with what was stored of their patients, any of it."""
        if self._stored is None:
            return waiting
        now = fold(pl.concat([self._stored, waiting]), unite=self._unite)
        fields = [name for name in now.columns if name not in AT_CLINIC]
        unchanged = self._stored.join(now, on=AT_CLINIC, suffix="_now").filter(
            pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_now")) for name in fields)
        )
        return waiting.join(unchanged, on=AT_CLINIC, how="anti")

    def _forget(self, patients: pl.DataFrame) -> None:
        if self._stored is not None:
            self._stored = self._stored.join(patients, on=KEY, how="anti")

    def _remember(self, patients: pl.DataFrame) -> None:
        if not self._repeats:
            return
        self._forget(patients)
        known = patients.clear() if self._stored is None else self._stored
        if known.height + patients.height <= MOST_WAITING:
            self._stored = pl.concat([known, patients])

    def _store_met(self, patients: pl.DataFrame) -> None:
        """Store people who are met for the first time: in lanes, but for those whom the source has named before.

        Two of its ids may have become one person, whose rows two lanes would lock in any order.
        """
        with self._session.transaction(patients["clinic_id"].unique()) as connection:
            resolve_people(connection, self._source, [patients])
            named = connection.execute("select distinct source_id, scope from stage_known").fetchall()
            if self._assumed:  # or the lanes would wait for each other's
                consents.store_assumed_text(connection, patients)
        before = pl.DataFrame(named, schema=dict.fromkeys(KEY, pl.String), orient="row")
        self._store_apart(self._session.connection, patients.join(before, on=KEY, how="semi"))
        self._store_new(patients.join(before, on=KEY, how="anti"))
        self._remember(patients)

    def _store_new(self, patients: pl.DataFrame) -> None:
        lanes = self._session.lanes
        share = patients.select(pl.struct(KEY).hash() % len(lanes)).to_series()
        parts = [
            lane.thread.submit(self._store_apart, lane.connection, patients.filter(share == index))
            for index, lane in enumerate(lanes)
        ]
        for part in parts:
            part.result()

    def _store_apart(self, connection: psycopg.Connection, patients: pl.DataFrame) -> None:
        if not patients.is_empty():
            with self._session.transaction(patients["clinic_id"].unique(), connection):
                self._store(connection, patients)

    def _wait(self, rows: pl.DataFrame) -> None:
        if not rows.is_empty():
            known = [] if self._waiting is None else [self._waiting]
            self._waiting = fold(pl.concat([*known, rows]), unite=self._unite)

    def _store(self, connection: psycopg.Connection, patients: pl.DataFrame) -> None:
        load_people(connection, self._source, patients, unite=self._unite)
        load_contacts(connection, self._session.codec, patients)
        resolve_people(connection, self._source, [patients])
        load_registrations(connection, patients)
        resolve_patients(connection)
        if self._assumed:
            consents.assume(connection, patients)
