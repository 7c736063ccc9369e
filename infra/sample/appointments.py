"""Appointments of the sample: lead times, no-shows that grow with them, video visits."""

from datetime import timedelta

import numpy as np
import polars as pl

from infra.sample import names
from infra.sample.draw import (
    Days,
    Floats,
    Ints,
    Words,
    codes,
    day,
    days_of,
    office_time,
    on_weekdays,
    pick,
    span,
    stream,
    to_utc,
)
from infra.sample.spec import Spec

SERVICES = ("physiotherapy", "pain_management", "occupational_therapy", "follow_up")
SERVICE_SHARES = (0.5, 0.15, 0.1, 0.25)
SPECIALISTS_A_CLINIC = 6
BOOKED_AHEAD_DAYS = 45
CANCELLED = 0.08
BEFORE_OPENING = np.timedelta64(8, "h")


def specialists(spec: Spec, clinics: pl.DataFrame) -> pl.DataFrame:
    """The specialists of each clinic, one list a row."""
    rng = stream(spec.seed, "specialists")
    size = clinics.height * SPECIALISTS_A_CLINIC
    full = names.given_names(rng, size) + " " + names.family_names(rng, size)
    clinic = clinics["slug"].gather(np.repeat(np.arange(clinics.height), SPECIALISTS_A_CLINIC))
    return pl.DataFrame({"clinic": clinic, "specialists": full}).group_by("clinic", maintain_order=True).all()


def appointments(spec: Spec, patients: pl.DataFrame, staff: pl.DataFrame) -> pl.DataFrame:
    """One row an appointment, by clinic and time; `booked` from the reference date on."""
    rng = stream(spec.seed, "appointments")
    rows = patients.with_columns(_last_day(spec))
    rows = rows[_owners(rng, rows)]
    since = days_of(rows, "registered_on")
    room = (days_of(rows, "last_day") - since).astype(np.float64) + 1
    starts = on_weekdays(since + span(room * rng.random(rows.height)))
    lead = np.where(rng.random(rows.height) < 0.2, 0, rng.gamma(1.2, 11, rows.height))
    booked = np.clip(starts - span(lead), since, day(spec.yesterday))
    rows = rows.join(staff, on="clinic", maintain_order="left").with_columns(
        pick(rng, SERVICES, rows.height, SERVICE_SHARES).alias("service"),
        pl.Series("modality", np.where(rng.random(rows.height) < _video_share(rows), "video", "in_person")),
        pl.col("specialists")
        .list.get(pl.lit(pl.Series(rng.integers(0, SPECIALISTS_A_CLINIC, rows.height))))
        .alias("specialist"),
        pl.Series("status", _status(rng, spec, rows, starts, booked)),
        # Booked before the clinic opens, so that a visit on the same day still comes after.
        pl.Series("booked_at", booked.astype("datetime64[us]") + BEFORE_OPENING),
        office_time(rng, starts).alias("starts_at"),
    )
    rows = to_utc(rows, "booked_at", "starts_at").sort("clinic", "starts_at", "person_id", "booked_at")
    return rows.with_columns(codes("A", rows.height).alias("appointment_id"))


def _last_day(spec: Spec) -> pl.Expr:
    """The last day that a patient may have an appointment on: ahead, or when they stopped coming."""
    stopped = pl.max_horizontal("stopped_on", "registered_on")
    ahead = spec.as_of + timedelta(days=BOOKED_AHEAD_DAYS)
    return pl.when(pl.col("stopped_on").is_null()).then(pl.lit(ahead)).otherwise(stopped).alias("last_day")


def _owners(rng: np.random.Generator, rows: pl.DataFrame) -> Ints:
    """Row of the patient of each appointment: some every two months, for as long as they came."""
    months = (days_of(rows, "last_day") - days_of(rows, "registered_on")).astype(np.float64) / 30
    rate = rng.gamma(2, 0.3, rows.height) * np.maximum(months, 0.3)
    return np.repeat(np.arange(rows.height), rng.poisson(np.minimum(rate, 30)))


def _video_share(rows: pl.DataFrame) -> Floats:
    """The young see a specialist by video more often."""
    return np.clip(0.34 - 0.003 * rows["age"].to_numpy(), 0.05, 0.34)


def _status(rng: np.random.Generator, spec: Spec, rows: pl.DataFrame, starts: Days, booked: Days) -> Words:
    """The longer the wait, the likelier a no-show; some people miss more than others."""
    lead_days = (starts - booked).astype(np.float64)
    missed = 1 / (1 + np.exp(2.7 - 0.045 * lead_days - rows["forgetful"].to_numpy()))
    draw = rng.random((3, rows.height))
    seen = np.where((starts == day(spec.yesterday)) & (draw[2] < 0.1), "arrived", "fulfilled")
    past = np.where(draw[0] < CANCELLED, "cancelled", np.where(draw[1] < missed, "noshow", seen))
    ahead = np.where(draw[0] < CANCELLED / 2, "cancelled", "booked")
    return np.where(starts <= day(spec.yesterday), past, ahead)
