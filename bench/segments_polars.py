"""The twenty segments written by hand in polars, over Parquet files of the same rows.

What a data engineer would write who needs these members once: one lazy pass a table, everything joined,
one frame of members. It keeps no history, knows one clinic's data from another's by nothing, and writes nothing.
"""

from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql

from bench.scale import AS_OF
from bench.scale_data import arrow
from infra.database import Server
from infra.roles import clinic_schema

# Of each table what the program reads.
COLUMNS = {
    "raw_patients": ("patient_id", "registered_on", "birth_date", "insurance_type", "chronic_conditions"),
    "raw_appointments": ("patient_id", "starts_on", "status"),
    "raw_forms": ("patient_id", "template", "status", "assigned_on", "due_on", "completed_on"),
    "raw_answers": ("patient_id", "answer_id", "template", "question", "answered_at", "answered_on", "number"),
    "raw_adherence": ("patient_id", "day", "prescribed", "done"),
}
IN_30_DAYS, IN_3_MONTHS, IN_A_YEAR = date(2025, 5, 31), date(2025, 3, 30), date(2024, 6, 30)


def export(at: Server, slugs: list[str], folder: Path) -> None:
    """Write each raw table of all clinics into one Parquet file, a row group a clinic."""
    folder.mkdir(parents=True, exist_ok=True)
    with arrow(at) as connection, connection.cursor() as cursor:
        for table, columns in COLUMNS.items():
            writer = None
            for slug in slugs:
                query = sql.SQL("select {} from {}").format(
                    sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(clinic_schema(slug), table)
                )
                cursor.execute(query.as_string())
                rows = pa.table(pl.from_arrow(cursor.fetch_arrow_table()).to_arrow())
                writer = writer or pq.ParquetWriter(folder / f"{table}.parquet", rows.schema)
                writer.write_table(rows)
            if writer:
                writer.close()


def members(folder: Path) -> pl.DataFrame:
    """Who is in which segment as of `AS_OF`: columns segment, patient_id."""
    facts = _patients(folder)
    for others in (_appointments(folder), _forms(folder), _answers(folder), _adherence(folder)):
        facts = facts.join(others, on="patient_id", how="left")
    counted = facts.with_columns(pl.col("attended", "intake", "overdue").fill_null(0)).collect()
    return pl.concat(
        counted.filter(rule).select(pl.lit(name).alias("segment"), "patient_id") for name, rule in _rules().items()
    )


def _scan(folder: Path, table: str) -> pl.LazyFrame:
    return pl.scan_parquet(folder / f"{table}.parquet")


def _patients(folder: Path) -> pl.LazyFrame:
    born, month_day = pl.col("birth_date"), AS_OF.month * 100 + AS_OF.day
    to_come = born.dt.month().cast(pl.Int32) * 100 + born.dt.day() > month_day
    return _scan(folder, "raw_patients").select(
        "patient_id",
        "insurance_type",
        "chronic_conditions",
        registered=(pl.lit(AS_OF) - pl.col("registered_on")).dt.total_days(),
        age=AS_OF.year - born.dt.year() - to_come.cast(pl.Int32),
    )


def _appointments(folder: Path) -> pl.LazyFrame:
    day, attended, missed = pl.col("starts_on"), pl.col("status") == "fulfilled", pl.col("status") == "noshow"
    recent = day > IN_A_YEAR
    kept = (recent & (attended | missed)).sum()
    return (
        _scan(folder, "raw_appointments")
        .filter(day <= AS_OF)
        .group_by("patient_id")
        .agg(
            attended=((day > IN_3_MONTHS) & attended).sum(),
            noshow_rate=pl.when(kept > 0).then((recent & missed).sum() / kept),
            since_visit=(pl.lit(AS_OF) - day.filter(attended).max()).dt.total_days(),
        )
    )


def _forms(folder: Path) -> pl.LazyFrame:
    intake = (pl.col("completed_on") <= AS_OF) & (pl.col("template") == "intake") & (pl.col("status") == "completed")
    overdue = (
        (pl.col("assigned_on") <= AS_OF)
        & pl.col("status").is_in(["pending", "in_progress"])
        & (pl.col("due_on") < AS_OF)
    )
    return _scan(folder, "raw_forms").group_by("patient_id").agg(intake=intake.sum(), overdue=overdue.sum())


def _answers(folder: Path) -> pl.LazyFrame:
    return (
        _scan(folder, "raw_answers")
        .filter(
            pl.col("answered_on") <= AS_OF,
            pl.col("template") == "pain",
            pl.col("question") == "score",
            pl.col("number").is_not_null(),
        )
        .group_by("patient_id")
        .agg(pain=pl.col("number").sort_by("answered_at", "answer_id").last())
    )


def _adherence(folder: Path) -> pl.LazyFrame:
    day, recent = pl.col("day"), pl.col("day") > IN_30_DAYS
    prescribed = pl.col("prescribed").filter(recent).sum()
    return (
        _scan(folder, "raw_adherence")
        .filter(day <= AS_OF)
        .group_by("patient_id")
        .agg(
            rate=pl.when(prescribed > 0).then(pl.col("done").filter(recent).sum() / prescribed),
            idle=(pl.lit(AS_OF) - day.filter(pl.col("done") > 0).max()).dt.total_days(),
        )
    )


def _rules() -> dict[str, pl.Expr]:
    age, registered, insured = pl.col("age"), pl.col("registered"), pl.col("insurance_type")
    rate, idle, pain = pl.col("rate"), pl.col("idle"), pl.col("pain")
    missed, visited, attended = pl.col("noshow_rate"), pl.col("since_visit"), pl.col("attended")
    intake, overdue = pl.col("intake"), pl.col("overdue")

    def has(*conditions: str) -> pl.Expr:
        return pl.any_horizontal(pl.col("chronic_conditions").list.contains(name) for name in conditions)

    return {
        "over-65-low-adherence": (age > 65) & (rate < 0.5),
        "new-without-intake": (registered <= 30) & (intake == 0),
        "high-pain-not-seen": (pain >= 7) & (attended == 0),
        "drifting-away": (missed > 0.3) & (visited > 90) & (overdue >= 2),
        "chronic-idle-private": has("diabetes", "hypertension") & (insured == "private") & (idle > 14),
        "children": age < 14,
        "uninsured-in-pain": (insured == "self_pay") & pain.is_between(8, 10),
        "asthma-over-60": has("asthma") & (age >= 60),
        "new-and-regular": (registered <= 60) & (attended >= 2),
        "never-did-an-exercise": idle.is_null() & (registered > 900),
        "diligent": rate >= 0.8,
        "misses-half": missed >= 0.5,
        "not-seen-for-a-year": visited > 365,
        "many-forms-open": overdue >= 3,
        "intake-again": intake >= 4,
        "pain-gone": (pain == 0) & (rate >= 0.5),
        "often-here": attended >= 3,
        "depression-and-missing": has("depression") & (missed > 0.4),
        "private-without-plan": insured.is_in(["private", "self_pay"]) & ~((idle <= 30) | (age < 60)),
        "old-and-new": (age > 80) & ((registered < 100) | (intake == 0)),
    }
