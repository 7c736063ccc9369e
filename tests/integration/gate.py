"""A gate in the database: whoever writes a certain row waits there, to be killed in the middle of its work."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

# Held by the test while the process should hang.
GATE = (20240630, 42)


@contextmanager
def hanging(admin: psycopg.Connection, schema: str, table: str, when: str, verb: str = "insert") -> Iterator[None]:
    """Whoever writes such a row waits, until this ends."""
    place = sql.Identifier(schema, table)
    admin.execute(
        sql.SQL(
            "create or replace function public.wait_at_gate() returns trigger language plpgsql as"
            " $$ begin perform pg_advisory_xact_lock_shared({}, {}); return new; end $$"
        ).format(*GATE)
    )
    admin.execute(
        sql.SQL("create trigger gate before {} on {} for each row when ({}) execute function public.wait_at_gate()")
        .format(sql.SQL(verb), place, sql.SQL(when))  # type: ignore[arg-type]
    )  # fmt: skip
    admin.execute("select pg_advisory_lock(%s, %s)", GATE)
    try:
        yield
    finally:
        admin.execute("select pg_advisory_unlock(%s, %s)", GATE)
        # Waits for the transaction that hung, which ends when the server finds its client gone.
        admin.execute(sql.SQL("drop trigger gate on {}").format(place))


def waiting(admin: psycopg.Connection) -> bool:
    """Whether somebody waits at the gate."""
    found = admin.execute(
        "select exists (select from pg_locks where locktype = 'advisory' and not granted"
        " and database = (select oid from pg_database where datname = current_database())"
        " and classid = %s and objid = %s)",
        GATE,
    ).fetchone()
    return found == (True,)
