"""Consents of the sample: who signed what at which clinic, and took it back."""

from datetime import timedelta

import numpy as np
import polars as pl

from infra.sample.draw import day, days_of, office_time, pick, span, stream, to_utc
from infra.sample.spec import Spec

TEXT_VERSION = "2025-01"
SIGNED = {"profile_sharing": 0.8, "communications": 0.55}
REVOKED = 0.05
SIGNED_AGAIN = 0.15
# The first days are too short for a change of mind to fall after the signing.
FIRST_DAYS = timedelta(days=10)


def consents(spec: Spec, patients: pl.DataFrame) -> pl.DataFrame:
    """One row an event: most sign when they register, a few revoke later, of those some sign again.

    The guardian signs for a dependent.
    """
    rng = stream(spec.seed, "consents")
    base = patients.select(
        "clinic", "person_id", "time_zone", "registered_on", signer_id=pl.coalesce("guardian_id", "person_id")
    )
    events = []
    for purpose, share in SIGNED.items():
        signed = _share(rng, base, share)
        settled = signed.filter(pl.col("registered_on") < spec.as_of - FIRST_DAYS)
        revoked = _share(rng, settled, REVOKED)
        again = _share(rng, revoked, SIGNED_AGAIN)
        for kind, rows, after in (("signed", signed, 0.0), ("revoked", revoked, 0.4), ("signed", again, 0.8)):
            events.append(_events(rng, spec, rows, after).with_columns(purpose=pl.lit(purpose), kind=pl.lit(kind)))
    return pl.concat(events).sort("clinic", "occurred_at", "person_id", "purpose")


def _share(rng: np.random.Generator, rows: pl.DataFrame, share: float) -> pl.DataFrame:
    return rows.filter(pl.Series(rng.random(rows.height) < share, dtype=pl.Boolean))


def _events(rng: np.random.Generator, spec: Spec, rows: pl.DataFrame, after: float) -> pl.DataFrame:
    """An event a row, `after` that share of the time between registration and yesterday (0: at once)."""
    since = days_of(rows, "registered_on")
    passed = (day(spec.yesterday) - since).astype(np.float64)
    jitter = 0.15 * rng.random(rows.height) if after else np.zeros(rows.height)
    events = rows.with_columns(
        office_time(rng, since + span(passed * (after + jitter))).alias("occurred_at"),
        pick(rng, ("portal", "tablet", "paper"), rows.height, (0.5, 0.3, 0.2)).alias("channel"),
        pl.lit(TEXT_VERSION).alias("text_version"),
    )
    return to_utc(events, "occurred_at")
