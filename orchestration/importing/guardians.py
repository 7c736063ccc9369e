"""Guardians who come with their own name: people of their own, who need be no patients of the clinic."""

from typing import Any

import polars as pl
import psycopg

from infra.encryption.field_codec import FieldCodec
from orchestration.importing.contacts import load_contacts
from orchestration.importing.early import NO_PATIENT_BORN
from orchestration.importing.fields import CONTACTS, ENTITIES
from orchestration.importing.people import load_guardians, load_people

_SAID = (*ENTITIES["guardian"].fields, "age", "estimated")
_UNSAID = [name for name in ENTITIES["patient"].fields if name not in _SAID]


def load_own_guardians(
    connection: psycopg.Connection, codec: FieldCodec, source: str, guardians: pl.DataFrame
) -> pl.DataFrame:
    """Make these rows' guardians known and have them manage their dependents; `line, reason` of those who cannot.

    Without a birth date of the dependent nobody knows how long it lasts.

    `stage_here` has the dependents.
    """
    there = connection.execute(_DEPENDENTS).fetchall()
    schema = {"clinic_id": pl.Int64, "scope": pl.String, "source_id": pl.String}
    dependents = pl.DataFrame(there, schema=schema, orient="row")
    known = guardians.join(dependents, on=list(schema), how="semi")
    if not known.is_empty():
        people = _as_people(known)
        load_people(connection, source, people, unite=False)
        load_contacts(connection, codec, people)
        load_guardians(connection, source, known)
    return guardians.join(dependents, on=list(schema), how="anti").select(
        "line", pl.lit(NO_PATIENT_BORN).alias("reason")
    )


_DEPENDENTS = """
select here.clinic_id, here.scope, here.source_id
from stage_here as here
inner join operational.profile as p on p.person_id = here.person_id and p.birth_date is not null
where here.patient_id is not null"""


def _as_people(guardians: pl.DataFrame) -> pl.DataFrame:
    """The guardians as rows of patients, of whom nothing else is said."""
    types: dict[str, Any] = {
        "birth_date": pl.Date,
        "asserted_on": pl.Date,
        "registered_on": pl.Date,
        "allergies": pl.List(pl.String),
    }
    types["chronic_conditions"] = pl.List(pl.String)
    nothing = [pl.lit(None, types.get(name, pl.String)).alias(name) for name in _UNSAID]
    return guardians.select(
        "clinic_id", "scope", pl.col("guardian_id").alias("source_id"), "name", *CONTACTS, *nothing,
        pl.lit(value=False).alias("estimated"),
    )  # fmt: skip
