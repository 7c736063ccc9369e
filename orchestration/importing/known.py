"""Who the rows of a piece speak of: source ids resolved once, into temporary tables that the loads join.

`stage_known`: clinic, scope, source_id, person_id, for a whole piece.
`stage_here`: scope, source_id, person_id, patient_id, for the clinic being loaded.
"""

import polars as pl
import psycopg

from orchestration.importing.shaping import CLINIC
from orchestration.importing.staging import stage

SCOPE = "scope"
KEY = ["source_id", SCOPE]


def with_scope(frame: pl.DataFrame, people: str) -> pl.DataFrame:
    """Add the scope in which a patient's source id names one human: all of the source, or one clinic."""
    scope = pl.lit("") if people == "source" else pl.col(CLINIC)
    return frame.with_columns(scope.alias(SCOPE))


def resolve_people(connection: psycopg.Connection, source: str, frames: list[pl.DataFrame]) -> None:
    """Find the people that any row of these frames names, patients and signers."""
    named = [frame.select(pl.col(CLINIC).alias("clinic"), SCOPE, "source_id") for frame in frames]
    named += [
        frame.select(pl.col(CLINIC).alias("clinic"), SCOPE, pl.col("signer_id").alias("source_id"))
        for frame in frames
        if "signer_id" in frame.columns
    ]
    stage(connection, "stage_key", pl.concat(named).unique())
    connection.execute(_RESOLVE, [source])
    connection.execute("drop table stage_key")
    connection.execute("analyze stage_known")


def resolve_patients(connection: psycopg.Connection, clinic_id: int, slug: str) -> None:
    """Find the registrations of those people at one clinic."""
    connection.execute(_HERE, [clinic_id, slug])
    connection.execute("analyze stage_here")


_RESOLVE = """
create temporary table stage_known on commit drop as
select k.clinic, k.scope, k.source_id, p.person_id
from stage_key as k
inner join operational.person_source as p
    on p.source = %s and p.scope = k.scope and p.source_id = k.source_id
"""
_HERE = """
create temporary table stage_here on commit drop as
select k.scope, k.source_id, k.person_id, r.patient_id
from stage_known as k
left join operational.registration as r
    on r.person_id = k.person_id and r.clinic_id = %s and r.deleted_at is null
where k.clinic = %s
"""
