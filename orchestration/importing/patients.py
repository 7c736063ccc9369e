"""Patients of an import: new ones at once, what later rows say of them folded into one row until the end.

A file may name the same patient in every piece. Their records need the registration and nothing else,
so what changes of name, profile and contacts can wait; a killed import is run again and catches up.
"""

import polars as pl
import psycopg

from orchestration.importing import consents
from orchestration.importing.contacts import load_contacts
from orchestration.importing.folding import asserted, fold
from orchestration.importing.known import KEY, resolve_patients, resolve_people
from orchestration.importing.people import load_people, load_registrations
from orchestration.importing.roster import Roster
from orchestration.importing.session import ImportSession

# Folded rows that wait at most, so that memory stays flat.
MOST_WAITING = 200_000


class PatientLoader:
    """Loads patients of one file; `unite`: sets made of flags add up over the rows of a person."""

    def __init__(self, session: ImportSession, source: str, roster: Roster, *, assumed: bool, unite: bool) -> None:
        self._session, self._source, self._roster = session, source, roster
        self._assumed, self._unite = assumed, unite
        self._waiting: pl.DataFrame | None = None

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

    def load(self, connection: psycopg.Connection, patients: pl.DataFrame) -> None:
        """Load the patients that are new to this import; keep the rest for `finish`."""
        known = self._roster.placed(patients)["patient_id"].is_not_null()
        rows = asserted(patients)
        self._wait(rows.filter(known))
        if not known.all():
            self._store(connection, fold(rows.filter(~known), unite=self._unite))

    def finish(self) -> None:
        """Store what waits, in a transaction of its own."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            with self._session.transaction(waiting["clinic_id"].unique()) as connection:
                self._store(connection, waiting)

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
