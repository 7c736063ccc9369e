"""Patients of an import: new ones at once, what later rows say of them folded into one row until the end.

A file may name the same patient in every piece. Their records need the registration and nothing else,
so what changes of name, profile and contacts can wait; a killed import is run again and catches up.
"""

import polars as pl
import psycopg

from orchestration.importing import consents
from orchestration.importing.contacts import load_contacts
from orchestration.importing.fields import CONTACTS
from orchestration.importing.known import resolve_patients, resolve_people
from orchestration.importing.people import load_people, load_registrations
from orchestration.importing.roster import AT_CLINIC, Roster
from orchestration.importing.session import ImportSession

# Folded rows that wait at most, so that memory stays flat.
MOST_WAITING = 200_000


class PatientLoader:
    """Loads patients of one file; `unite`: sets made of flags add up over the rows of a person."""

    def __init__(self, session: ImportSession, source: str, roster: Roster, *, assumed: bool, unite: bool) -> None:
        self._session, self._source, self._roster = session, source, roster
        self._assumed, self._unite = assumed, unite
        self._waiting: pl.DataFrame | None = None

    def load(self, connection: psycopg.Connection, patients: pl.DataFrame) -> None:
        """Load the patients that are new to this import; keep the rest for `finish`."""
        known = self._roster.placed(patients)["patient_id"].is_not_null()
        self._wait(patients.filter(known))
        fresh = patients.filter(~known)
        if not fresh.is_empty():
            self._store(connection, fold(fresh, unite=self._unite))

    def settle(self) -> None:
        """Store what waits if it has become too much to keep."""
        if self._waiting is not None and self._waiting.height > MOST_WAITING:
            self.finish()

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


def fold(patients: pl.DataFrame, *, unite: bool) -> pl.DataFrame:
    """One row a patient of a clinic: the latest, with the last contacts given and the first day of registration."""
    in_order = patients.sort("asserted_on", "asserted_by", nulls_last=False, maintain_order=True)
    latest = in_order.unique(AT_CLINIC, keep="last")
    given = [name for name in ("external_id", *CONTACTS) if patients[name].null_count() < patients.height]
    sums = [pl.col("registered_on").min(), *(pl.col(name).drop_nulls().last() for name in given)]
    if unite:
        sums.append(pl.col("chronic_conditions").list.explode().unique().drop_nulls().sort())
    summed = patients.group_by(AT_CLINIC).agg(sums)
    rest = [name for name in summed.columns if name not in AT_CLINIC]
    return latest.drop(rest).join(summed, on=AT_CLINIC).select(patients.columns)
