"""Forms of the sample and their answers: intake, pain with its trend, satisfaction after visits."""

from datetime import timedelta

import numpy as np
import polars as pl

from infra.sample.draw import (
    Days,
    Flags,
    Floats,
    Words,
    codes,
    day,
    days_of,
    office_time,
    pick,
    some,
    span,
    stream,
    to_utc,
)
from infra.sample.spec import Spec

DUE_DAYS = {"intake": 7, "pain": 3, "satisfaction": 14}
EXPIRES_AFTER_DAYS = 60
NEW_DAYS = 30
SURVEYED = timedelta(days=180)
FORM = ("form_id", "status", "assigned_on", "due_on", "completed_at")
REASONS = ("back", "knee", "shoulder", "neck", "hip", "after_surgery")
GOALS = ("Walk without pain", "Sleep through the night", "Back to work", "Climb stairs", "Lift my grandchild")
COMMENTS = (
    "Friendly and on time",
    "The wait was long",
    "Clear explanations",
    "Hard to find the room",
    "Very good",
)


def forms(spec: Spec, patients: pl.DataFrame, appointments: pl.DataFrame) -> pl.DataFrame:
    """One row a form; the hidden `score` is what a pain form answers."""
    parts = [_intake(spec, patients), _pain(spec, patients), _satisfaction(spec, appointments)]
    rows = to_utc(pl.concat(parts, how="diagonal"), "completed_at")
    rows = rows.sort("clinic", "assigned_on", "person_id", "template", maintain_order=True)
    return rows.with_columns(codes("F", rows.height).alias("form_id"))


def answers(spec: Spec, forms: pl.DataFrame) -> pl.DataFrame:
    """One row an answer, of the completed forms."""
    rng = stream(spec.seed, "answers")
    done = forms.filter(pl.col("status") == "completed").with_columns(answered_at="completed_at")
    intake, pain, satisfaction = (done.filter(template=template) for template in DUE_DAYS)
    since = days_of(intake, "assigned_on") - span(rng.gamma(2, 120, intake.height))
    stars = pick(rng, ("1", "2", "3", "4", "5"), satisfaction.height, (0.03, 0.07, 0.15, 0.4, 0.35))
    said = satisfaction.with_columns(text=pick(rng, COMMENTS, satisfaction.height))
    rows = pl.concat(
        [
            intake.with_columns(question=pl.lit("reason"), choice=pick(rng, REASONS, intake.height)),
            intake.with_columns(question=pl.lit("goal"), text=pick(rng, GOALS, intake.height)),
            intake.with_columns(question=pl.lit("since"), date=pl.Series(since)),
            pain.with_columns(question=pl.lit("score"), number=pl.col("score")),
            satisfaction.with_columns(question=pl.lit("score"), number=stars.cast(pl.Float64)),
            said.filter(pl.Series(rng.random(said.height) < 0.3)).with_columns(question=pl.lit("comment")),
        ],
        how="diagonal",
    ).sort("clinic", "form_id", "question")
    return rows.with_columns(codes("N", rows.height).alias("answer_id"))


def _intake(spec: Spec, patients: pl.DataFrame) -> pl.DataFrame:
    """Assigned at registration; the newest have often not come to it yet."""
    rng = stream(spec.seed, "intake")
    assigned = days_of(patients, "registered_on")
    new = assigned >= day(spec.as_of) - NEW_DAYS
    answering = rng.random(patients.height) < np.where(new, 0.6, 0.92)
    return _forms(rng, spec, patients, "intake", assigned, answering)


def _pain(spec: Spec, patients: pl.DataFrame) -> pl.DataFrame:
    """Every month of the last year, for the half that is asked; the score follows the person's trend."""
    rng = stream(spec.seed, "pain")
    asked = patients.filter(pl.Series(rng.random(patients.height) < 0.5))
    first = np.maximum(days_of(asked, "registered_on"), day(spec.yesterday) - 360 + rng.integers(0, 30, asked.height))
    rounds = (day(spec.yesterday) - first).astype(np.int64) // 30 + 1
    rows = asked[np.repeat(np.arange(asked.height), rounds)]
    month = np.arange(rows.height) - np.repeat(np.cumsum(rounds) - rounds, rounds)
    assigned = np.repeat(first, rounds) + span(30 * month)
    trend = rows["pain"].to_numpy() + rows["pain_slope"].to_numpy() * month + rng.normal(0, 0.8, rows.height)
    rows = rows.with_columns(score=np.clip(np.round(trend), 0, 10))
    return _forms(rng, spec, rows, "pain", assigned, rng.random(rows.height) < 0.8)


def _satisfaction(spec: Spec, appointments: pl.DataFrame) -> pl.DataFrame:
    """Asked after some of the visits of the last half year, from the next day on."""
    rng = stream(spec.seed, "satisfaction")
    visited = appointments.with_columns(visited_on=pl.col("starts_at").dt.date()).filter(
        pl.col("status") == "fulfilled",
        pl.col("visited_on").is_between(spec.as_of - SURVEYED, spec.yesterday - timedelta(days=1)),
    )
    rows = visited.filter(pl.Series(rng.random(visited.height) < 0.4))
    assigned = days_of(rows, "visited_on") + 1
    return _forms(rng, spec, rows, "satisfaction", assigned, rng.random(rows.height) < 0.5)


def _forms(
    rng: np.random.Generator, spec: Spec, rows: pl.DataFrame, template: str, assigned: Days, answering: Flags
) -> pl.DataFrame:
    """Forms with their state: completed within days of being assigned, or open, or expired."""
    completed = assigned + span(rng.exponential(DUE_DAYS[template] / 2, rows.height))
    done = answering & (completed <= day(spec.yesterday))
    kept = [name for name in ("clinic", "person_id", "time_zone", "score") if name in rows.columns]
    return rows.select(kept).with_columns(
        pl.lit(template).alias("template"),
        pl.Series("status", _status(spec, assigned, done, rng.random(rows.height))),
        pl.Series("assigned_on", assigned),
        pl.Series("due_on", assigned + DUE_DAYS[template]),
        some(done, office_time(rng, completed)).alias("completed_at"),
    )


def _status(spec: Spec, assigned: Days, done: Flags, draw: Floats) -> Words:
    old = assigned < day(spec.as_of) - EXPIRES_AFTER_DAYS
    unfinished = np.where(old & (draw < 0.7), "expired", np.where(draw > 0.8, "in_progress", "pending"))
    return np.where(done, "completed", unfinished)
