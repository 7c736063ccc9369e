"""The book of rotations: a killed one goes on where it was, since it keeps the time it started at."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

import psycopg

from infra.audit import record_process
from infra.database import Server, connect
from infra.errors import Refused
from infra.roles import Login
from policies.words import ProcessAction


class Kind(StrEnum):
    """What is rotated."""

    KEK = "kek"
    DATA = "data"
    INDEX = "index"


@dataclass(frozen=True)
class Rotation:
    """An open rotation; keys made before `started_at` are the old ones."""

    rotation_id: UUID
    kind: Kind
    started_at: datetime


@contextmanager
def alone(at: Server) -> Iterator[psycopg.Connection]:
    """The rotator's connection, autocommitting, with the lock that keeps a second rotation out.

    Raises:
        Refused: another rotation runs.
    """
    with connect(Login.ROTATOR, at=at, autocommit=True) as connection:
        row = connection.execute("select pg_try_advisory_lock(hashtextextended('cloister.rotate', 0))").fetchone()
        if row != (True,):
            raise Refused("another rotation runs", hint="`cloister keys status` shows how far it is")
        try:
            yield connection
        finally:
            # Given back here: the server ends a closed connection, and what it holds, a moment later.
            with suppress(psycopg.Error):
                connection.execute("select pg_advisory_unlock(hashtextextended('cloister.rotate', 0))")


def find_open(connection: psycopg.Connection, kind: Kind) -> Rotation | None:
    """The rotation of that kind that was begun and not finished."""
    row = connection.execute(
        "select rotation_id, started_at from operational.key_rotation where kind = %s and finished_at is null",
        [kind.value],
    ).fetchone()
    return Rotation(row[0], kind, row[1]) if row else None


def begin(connection: psycopg.Connection, kind: Kind) -> Rotation:
    """A new rotation; the caller's transaction makes it stand."""
    row = connection.execute(
        "insert into operational.key_rotation (rotation_id, kind) values (%s, %s) returning rotation_id, started_at",
        [uuid4(), kind.value],
    ).fetchone()
    if row is None:
        raise LookupError("the rotation was not stored")
    return Rotation(row[0], kind, row[1])


def finish(connection: psycopg.Connection, rotation: Rotation, count: int) -> None:
    """Close a rotation that has nothing left, and record that the old keys are retired."""
    with connection.transaction():
        connection.execute(
            "update operational.key_rotation set finished_at = clock_timestamp() where rotation_id = %s",
            [rotation.rotation_id],
        )
        record(connection, ProcessAction.KEY_RETIRE, rotation.kind, count)


def record(connection: psycopg.Connection, action: ProcessAction, kind: Kind, count: int = 0) -> None:
    """The event of a run; `count` is how many patients' keys it turned, where it turned any."""
    record_process(
        connection, role="operator", action=action, resource_type="key", resource_id=kind.value, patients=count
    )
