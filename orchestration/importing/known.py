"""Who the rows of a piece speak of: source ids resolved once, into temporary tables that the loads join.

`stage_known`: clinic_id, scope, source_id, person_id.
`stage_here`: the same with patient_id, null where the person is no patient of that clinic.
"""

import polars as pl
import psycopg

from orchestration.importing.staging import stage

SCOPE = "scope"
KEY = ["source_id", SCOPE]


def with_scope(frame: pl.DataFrame, people: str) -> pl.DataFrame:
    """Add the scope in which a patient's source id names one human: all of the source, or one clinic."""
    scope = pl.lit("") if people == "source" else pl.col("clinic_id").cast(pl.String)
    return frame.with_columns(scope.alias(SCOPE))


def resolve_people(connection: psycopg.Connection, source: str, frames: list[pl.DataFrame]) -> None:
    """Find the people that any row of these frames names, patients and signers."""
    named = [frame.select("clinic_id", SCOPE, "source_id") for frame in frames]
    named += [
        frame.select("clinic_id", SCOPE, pl.col("signer_id").alias("source_id"))
        for frame in frames
        if "signer_id" in frame.columns
    ]
    connection.execute("drop table if exists pg_temp.stage_known, pg_temp.stage_here")
    stage(connection, "stage_key", pl.concat(named).unique())
    connection.execute(_RESOLVE, [source])
    connection.execute("drop table stage_key")
    connection.execute("analyze stage_known")


def resolve_patients(connection: psycopg.Connection) -> None:
    """Find the registrations of those people at the clinics of their rows."""
    connection.execute(_HERE)
    connection.execute("analyze stage_here")


_RESOLVE = """
create temporary table stage_known on commit drop as
select k.clinic_id::integer as clinic_id, k.scope, k.source_id, p.person_id
from stage_key as k
inner join operational.person_source as p
    on p.source = %s and p.scope = k.scope and p.source_id = k.source_id
"""
_HERE = """
create temporary table stage_here on commit drop as
select k.clinic_id, k.scope, k.source_id, k.person_id, r.patient_id
from stage_known as k
left join operational.registration as r
    on r.person_id = k.person_id and r.clinic_id = k.clinic_id and r.deleted_at is null
"""
