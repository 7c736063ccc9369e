"""What many rows say of one patient, in one row: of each field the last that is given, in the order of assertion.

Profile and contacts belong to the person: every clinic's row of a person carries the same ones, whichever
clinic's row they came with. Sets made of flags unite; the first day of registration counts.
"""

import polars as pl

from orchestration.importing.fields import CONTACTS
from orchestration.importing.known import KEY

AT_CLINIC = ["clinic_id", *KEY]
_PROFILE = ("sex", "blood_type", "allergies", "chronic_conditions", "insurance_type")
_ALWAYS = ("name", "asserted_on", "asserted_by")


def asserted(patients: pl.DataFrame) -> pl.DataFrame:
    """The rows that `fold` takes: ids of equal length, so that they sort as numbers, and an age as a birth date.

    An estimated birth date is the day of the assertion minus the age; 29 February becomes the 28th.
    """
    day = pl.col("asserted_on")
    leap = (day.dt.month() == 2) & (day.dt.day() == 29)
    born = pl.date(day.dt.year() - pl.col("age"), day.dt.month(), pl.when(leap).then(28).otherwise(day.dt.day()))
    return patients.with_columns(
        pl.col("asserted_by").str.pad_start(20, "0"),
        pl.coalesce("birth_date", born).alias("birth_date"),
        pl.when(pl.col("birth_date").is_null())
        .then(pl.col("age").is_not_null())
        .otherwise(pl.col("estimated").is_not_null())
        .alias("estimated"),
    ).select(*AT_CLINIC, "registered_on", "external_id", "birth_date", "estimated", *_PROFILE, *CONTACTS, *_ALWAYS)


def fold(patients: pl.DataFrame, *, unite: bool) -> pl.DataFrame:
    """One row a patient of a clinic, with the columns of `asserted`; what is folded may be folded again."""
    in_order = patients.sort("asserted_on", "asserted_by", nulls_last=False, maintain_order=True)
    people = in_order.group_by(KEY).agg(
        *(pl.col(name).last() for name in _ALWAYS),
        *(_last_given(in_order, name) for name in ("birth_date", *_PROFILE, *CONTACTS) if not _united(name, unite)),
        pl.col("estimated").filter(pl.col("birth_date").is_not_null()).last(),
    )
    if unite:
        sets = in_order.group_by(KEY).agg(pl.col("chronic_conditions").list.explode().unique().drop_nulls().sort())
        people = people.join(sets, on=KEY)
    places = in_order.group_by(AT_CLINIC).agg(pl.col("registered_on").min(), _last_given(in_order, "external_id"))
    return places.join(people, on=KEY).select(patients.columns)


def _last_given(rows: pl.DataFrame, name: str) -> pl.Expr:
    nulls = rows[name].null_count()
    return pl.col(name).drop_nulls().last() if 0 < nulls < rows.height else pl.col(name).last()


def _united(name: str, unite: bool) -> bool:
    return unite and name == "chronic_conditions"
