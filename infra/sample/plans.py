"""Treatment plans of the sample and the daily exercises, which people keep up less and less."""

import numpy as np
import polars as pl

from infra.sample.appointments import SPECIALISTS_A_CLINIC
from infra.sample.draw import codes, day, days_of, pick, some, span, stream
from infra.sample.spec import Spec

TITLES = ("Back strength", "Knee mobility", "Shoulder range", "Neck relief", "Walking programme", "Balance")
LENGTHS_DAYS = (42, 84, 126, 182)
LONGEST_PAST_DAYS = 170
FORGOTTEN = 0.03


def plans(spec: Spec, patients: pl.DataFrame, staff: pl.DataFrame) -> pl.DataFrame:
    """One row a plan of the last half year; older patients have one more often, one in ten has no end."""
    rng = stream(spec.seed, "plans")
    age = patients["age"].to_numpy()
    share = np.where(age < 16, 0.08, np.where(age < 65, 0.35, 0.55))
    rows = patients.filter(pl.Series(rng.random(patients.height) < share)).join(
        staff, on="clinic", maintain_order="left"
    )
    began = day(spec.as_of) - span(rng.uniform(2, LONGEST_PAST_DAYS, rows.height))
    starts = np.maximum(days_of(rows, "registered_on"), began)
    ends = pl.Series(starts + span(rng.choice(LENGTHS_DAYS, rows.height)))
    rows = rows.with_columns(
        pick(rng, TITLES, rows.height).alias("title"),
        pl.col("specialists")
        .list.get(pl.lit(pl.Series(rng.integers(0, SPECIALISTS_A_CLINIC, rows.height))))
        .alias("specialist"),
        pl.Series("starts_on", starts),
        some(rng.random(rows.height) < 0.9, ends).alias("ends_on"),
    ).sort("clinic", "starts_on", "person_id")
    return rows.with_columns(codes("T", rows.height).alias("plan_id"))


def adherence(spec: Spec, plans: pl.DataFrame) -> pl.DataFrame:
    """One row a plan and day up to yesterday, except days on which nobody noted anything.

    The chance to do an exercise is the person's own, and falls to a third of it over the weeks.
    """
    rng = stream(spec.seed, "adherence")
    starts = days_of(plans, "starts_on")
    ends = plans["ends_on"].fill_null(spec.yesterday).to_numpy().astype("datetime64[D]")
    lengths = (np.minimum(ends, day(spec.yesterday)) - starts).astype(np.int64) + 1
    plan = np.repeat(np.arange(plans.height), lengths)
    elapsed = np.arange(len(plan)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    fading = rng.uniform(20, 150, plans.height)[plan]
    chance = plans["willing"].to_numpy()[plan] * (0.35 + 0.65 * np.exp(-elapsed / fading))
    prescribed = rng.integers(2, 7, plans.height)[plan]
    rows = (
        plans[plan]
        .select("clinic", "plan_id", "person_id")
        .with_columns(
            pl.Series("day", starts[plan] + span(elapsed)),
            pl.Series("prescribed", prescribed.astype(np.int16)),
            pl.Series("done", rng.binomial(prescribed, chance).astype(np.int16)),
        )
    )
    return rows.filter(pl.Series(rng.random(rows.height) >= FORGOTTEN))
