"""Drawing columns at random, reproducibly: one stream of random numbers a table."""

import zlib
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Days = npt.NDArray[np.datetime64]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.str_]
Flags = npt.NDArray[np.bool_]

OPENING_MINUTE = 9 * 60
QUARTERS_A_DAY = 36


def stream(seed: int, table: str) -> np.random.Generator:
    """A table's own random numbers, so that a change to one table leaves the others as they were."""
    return np.random.default_rng([seed, zlib.crc32(table.encode())])


def pick(
    rng: np.random.Generator, values: Sequence[str], size: int, weights: Sequence[float] | None = None
) -> pl.Series:
    """`size` of the values, by weight."""
    share = None if weights is None else np.asarray(weights) / np.sum(weights)
    return pl.Series(values).gather(rng.choice(len(values), size=size, p=share))


def some(flags: Flags, values: pl.Series) -> pl.Series:
    """The values where the flag is set, null elsewhere."""
    return values.zip_with(pl.Series(flags), pl.Series([None] * len(values), dtype=values.dtype))


def codes(prefix: str, size: int) -> pl.Series:
    """Ids such as `A0000001`."""
    return pl.Series(np.arange(1, size + 1)).cast(pl.String).str.zfill(7).str.replace("^", prefix)


def day(value: date) -> np.datetime64:
    """A date as numpy counts days."""
    return np.datetime64(value, "D")


def days_of(frame: pl.DataFrame, column: str) -> Days:
    """A date column as numpy days."""
    return frame[column].to_numpy().astype("datetime64[D]")


def span(days: Floats | Ints) -> Any:
    """Whole days, rounded down, to add to or take from dates."""
    return np.floor(days).astype("timedelta64[D]")


def on_weekdays(days: Days) -> Days:
    """The days, with Saturdays and Sundays moved to the Monday after."""
    return np.busday_offset(days, 0, roll="forward")


def office_time(rng: np.random.Generator, days: Days) -> pl.Series:
    """A quarter of an hour between 9 and 18 o'clock of each day, as local wall-clock time."""
    minutes = OPENING_MINUTE + 15 * rng.integers(0, QUARTERS_A_DAY, len(days))
    return pl.Series(days.astype("datetime64[us]") + minutes.astype("timedelta64[m]"))


def to_utc(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Turn local wall-clock columns into instants, by each row's `time_zone`; rows keep their order."""
    if frame.is_empty():
        return frame.with_columns(pl.col(columns).cast(pl.Datetime("us", "UTC")))
    parts = [
        part.with_columns(pl.col(columns).dt.replace_time_zone(zone).dt.convert_time_zone("UTC"))
        for (zone,), part in frame.with_row_index("_row").partition_by("time_zone", as_dict=True).items()
    ]
    return pl.concat(parts).sort("_row").drop("_row")
