"""The patients that an import has met: their source ids are resolved once, for all the pieces that follow."""

import polars as pl
import psycopg

from orchestration.importing.folding import AT_CLINIC
from orchestration.importing.known import resolve_patients, resolve_people

# Some 100 bytes each; past so many the import forgets them all and asks the database again.
MOST = 500_000
_SCHEMA = {"clinic_id": pl.Int64, "source_id": pl.String, "scope": pl.String, "patient_id": pl.String}


class Roster:
    """Registered patients by `clinic_id`, `scope` and `source_id`."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._met = pl.DataFrame(schema=_SCHEMA)

    def placed(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with `patient_id`, null where the person is not known to be a patient of the clinic."""
        return rows.join(self._met, on=AT_CLINIC, how="left")

    def meet(self, connection: psycopg.Connection, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with `patient_id`; patients that are new to this import are looked up."""
        placed = self.placed(rows)
        keys = placed.filter(pl.col("patient_id").is_null()).select(AT_CLINIC).unique()
        if keys.is_empty():
            return placed
        if self._met.height + keys.height > MOST:
            self._met = self._met.clear()
            keys = rows.select(AT_CLINIC).unique()
        self._look_up(connection, keys)
        return self.placed(rows)

    def _look_up(self, connection: psycopg.Connection, keys: pl.DataFrame) -> None:
        resolve_people(connection, self._source, [keys])
        resolve_patients(connection)
        found = connection.execute(
            "select clinic_id, source_id, scope, patient_id::text from stage_here where patient_id is not null"
        ).fetchall()
        self._met = pl.concat([self._met, pl.DataFrame(found, schema=_SCHEMA, orient="row")])
