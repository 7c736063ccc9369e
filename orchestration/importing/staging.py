"""Frames into temporary tables, by COPY: row-level security allows no COPY into the real ones."""

import os
import time

import polars as pl
import psycopg
from psycopg import sql

_SQL_TYPES: dict[type[pl.DataType], str] = {
    pl.String: "text",
    pl.Date: "date",
    pl.Int64: "bigint",
    pl.Float64: "double precision",
    pl.Boolean: "boolean",
    pl.Datetime: "timestamptz",
    pl.List: "text[]",
}


def random_ids(count: int) -> pl.Series:
    """Random version 4 UUIDs (RFC 9562, 5.4) as hex text, from one read of the system's source.

    The server draws 16 bytes a row, which took 5 of the 12 microseconds that a row's insert did.
    """
    noise = bytearray(os.urandom(16 * count))
    noise[6::16] = bytes(0x40 | byte & 0x0F for byte in noise[6::16])
    return _as_text(noise)


def ordered_ids(count: int) -> pl.Series:
    """Version 7 UUIDs (RFC 9562, 5.7) of this millisecond in ascending order: an index grows at its end only.

    For ids that say no more than when a row came in; a patient's id is random.
    """
    noise = bytearray(os.urandom(16 * count))
    for place, byte in enumerate((time.time_ns() // 1_000_000).to_bytes(6, "big")):
        noise[place::16] = bytes([byte]) * count
    noise[6::16] = bytes(0x70 | byte & 0x0F for byte in noise[6::16])
    return _as_text(noise).sort()


def _as_text(noise: bytearray) -> pl.Series:
    noise[8::16] = bytes(0x80 | byte & 0x3F for byte in noise[8::16])
    text = noise.hex()
    return pl.Series([text[at : at + 32] for at in range(0, len(text), 32)], dtype=pl.String)


def stage(connection: psycopg.Connection, name: str, frame: pl.DataFrame, *, analyze: bool = True) -> None:
    """Make a temporary table of a frame; it lives as long as the transaction.

    Without statistics (`analyze`) it is read from end to end, not joined.
    """
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(_SQL_TYPES[type(dtype)]))
        for column, dtype in frame.schema.items()
    ]
    table = sql.Identifier("pg_temp", name)
    connection.execute(
        sql.SQL("create temporary table {} ({}) on commit drop").format(
            sql.Identifier(name), sql.SQL(", ").join(columns)
        )
    )
    # Most fields of an entity are in no file: what is null everywhere need not be sent.
    sent = [column for column in frame.columns if frame[column].null_count() < frame.height]
    if sent:
        names = sql.SQL(", ").join(map(sql.Identifier, sent))
        with connection.cursor().copy(sql.SQL("copy {} ({}) from stdin (format csv)").format(table, names)) as copy:
            copy.write(_as_csv(frame.select(sent)))
    if analyze:
        connection.execute(sql.SQL("analyze {}").format(table))


def _as_csv(frame: pl.DataFrame) -> str:
    lists = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.List)]
    return frame.with_columns(_array_literal(name) for name in lists).write_csv(
        include_header=False, datetime_format="%Y-%m-%d %H:%M:%S%.6f+00", null_value=""
    )


def _array_literal(name: str) -> pl.Expr:
    """A text[] in PostgreSQL's input syntax, every element quoted."""
    escaped = pl.element().str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', '\\"', literal=True)
    quoted = pl.col(name).list.eval(pl.concat_str(pl.lit('"'), escaped, pl.lit('"'))).list.join(",")
    return pl.concat_str(pl.lit("{"), quoted, pl.lit("}")).alias(name)
