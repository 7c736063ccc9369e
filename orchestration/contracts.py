"""What a frame must look like before it may enter a mart: one contract for each raw table.

The types are those whose Arrow form equals the column's exactly, which binary COPY needs. A broken
contract names its rule and nothing else: the rows that broke it stay where they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from infra.errors import InvalidInput

UUID = pl.Binary()
INSTANT = pl.Datetime("us", "UTC")
TEXTS = pl.List(pl.String())
PROFILE = (
    "birth_date",
    "sex",
    "blood_type",
    "allergies",
    "chronic_conditions",
    "insurance_type",
)


@dataclass(frozen=True)
class Contract:
    """Columns in order, those that may be null, the key, and rules that hold for every row."""

    table: str
    key: tuple[str, ...]
    columns: Mapping[str, Any]
    optional: frozenset[str] = frozenset()
    rules: Mapping[str, pl.Expr] = field(default_factory=dict)

    def check(self, frame: pl.DataFrame) -> None:
        """Let a frame pass, or say which rule it breaks.

        Raises:
            InvalidInput: other columns or types, an unexpected null, or a rule that does not hold.
        """
        if dict(frame.schema) != dict(self.columns):
            raise InvalidInput(f"{self.table}: not the declared columns and types", place=self.table)
        nulls = frame.select(pl.col(name).null_count() for name in self.columns if name not in self.optional)
        for name, count in nulls.row(0, named=True).items():
            if count:
                raise InvalidInput(f"{self.table}.{name}: {count} empty", place=f"{self.table}.{name}")
        for name, broken in frame.select(**{n: (~rule).sum() for n, rule in self.rules.items()}).to_dicts()[0].items():
            if broken:
                raise InvalidInput(f"{self.table}: {broken} rows break '{name}'", place=self.table)


PATIENTS = Contract(
    "raw_patients",
    ("patient_id",),
    {
        "patient_id": UUID,
        "version": pl.Int64(),
        "name": pl.String(),
        "external_id": pl.String(),
        "registered_on": pl.Date(),
        "profile_shared": pl.Boolean(),
        "profile_until": INSTANT,
        "birth_date": pl.Date(),
        "sex": pl.String(),
        "blood_type": pl.String(),
        "allergies": TEXTS,
        "chronic_conditions": TEXTS,
        "insurance_type": pl.String(),
    },
    frozenset({"external_id", "profile_until", *PROFILE}),
    {"no profile without consent": pl.col("profile_shared") | pl.all_horizontal(pl.col(PROFILE).is_null())},
)

APPOINTMENTS = Contract(
    "raw_appointments",
    ("patient_id", "appointment_id"),
    {
        "patient_id": UUID,
        "appointment_id": UUID,
        "version": pl.Int64(),
        "service": pl.String(),
        "modality": pl.String(),
        "status": pl.String(),
        "booked_on": pl.Date(),
        "starts_on": pl.Date(),
        "starts_at": INSTANT,
    },
    frozenset({"starts_at"}),
    {"booked before it starts": pl.col("booked_on") <= pl.col("starts_on")},
)

FORMS = Contract(
    "raw_forms",
    ("patient_id", "form_id"),
    {
        "patient_id": UUID,
        "form_id": UUID,
        "version": pl.Int64(),
        "template": pl.String(),
        "status": pl.String(),
        "assigned_on": pl.Date(),
        "due_on": pl.Date(),
        "completed_on": pl.Date(),
    },
    frozenset({"due_on", "completed_on"}),
    {"a day when completed": (pl.col("status") == "completed") == pl.col("completed_on").is_not_null()},
)

ANSWERS = Contract(
    "raw_answers",
    ("patient_id", "answer_id"),
    {
        "patient_id": UUID,
        "answer_id": UUID,
        "version": pl.Int64(),
        "form_id": UUID,
        "template": pl.String(),
        "question": pl.String(),
        "answered_at": INSTANT,
        "answered_on": pl.Date(),
        "number": pl.Float64(),
        "choice": pl.String(),
        "body": pl.String(),
        "day": pl.Date(),
    },
    frozenset({"number", "choice", "body", "day"}),
    {"a finite number": pl.col("number").is_finite() | pl.col("number").is_null()},
)

ADHERENCE = Contract(
    "raw_adherence",
    ("patient_id", "plan_id", "day"),
    {
        "patient_id": UUID,
        "plan_id": UUID,
        "day": pl.Date(),
        "version": pl.Int64(),
        "prescribed": pl.Int16(),
        "done": pl.Int16(),
    },
    rules={"no more done than prescribed": pl.col("done").is_between(0, pl.col("prescribed"))},
)
