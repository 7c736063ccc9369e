"""The connections of one import, and the lock that keeps a second import of the same source out."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

import psycopg

from infra.database import Server, connect, set_clinics
from infra.encryption.field_codec import FieldCodec
from infra.encryption.keyring import KeyProvider
from infra.errors import CloisterError
from infra.roles import Login

LANES = 2
_WAIT = "select pg_advisory_lock(hashtextextended('cloister.import.' || %s, 0))"
_TRY = "select pg_try_advisory_lock(hashtextextended('cloister.import.' || %s, 0))"


class SourceBusy(CloisterError):
    """Another import of the source is under way, and was not to be waited for."""


@dataclass(frozen=True)
class Lane:
    """A connection with a thread of its own: what it is given is done in order, beside everything else."""

    connection: psycopg.Connection
    thread: ThreadPoolExecutor


@dataclass(frozen=True)
class ImportSession:
    """`connection` holds the source's lock and serves people and quarantine; the lanes load records and new people.

    `clinic` is the one that all rows belong to, where the mapping names no column for it. Of rows that are tried again
    `as_of` is when they came in: what has changed since is newer, but for what changes from `since` on. Unless it
    `fires`, no automation may act on what comes of the import.
    """

    connection: psycopg.Connection
    lanes: list[Lane]
    codec: FieldCodec
    begun: datetime
    clinic: str | None = None
    as_of: datetime | None = None
    since: datetime | None = None
    fires: bool = False

    def again(self) -> "ImportSession":
        """The same for rows that came too early: whatever the import has written of theirs came after them."""
        with self.connection.transaction():
            return replace(self, as_of=self.as_of or self.begun, since=_now(self.connection))

    @contextmanager
    def transaction(
        self, clinic_ids: Iterable[int] = (), connection: psycopg.Connection | None = None
    ) -> Iterator[psycopg.Connection]:
        """A transaction that may touch the rows of these clinics."""
        chosen = connection or self.connection
        with chosen.transaction():
            set_clinics(chosen, clinic_ids)
            if not self.fires:  # which each row of the outbox takes over
                chosen.execute("set local cloister.fires = off")
            if self.as_of is not None:
                chosen.execute("select set_config('cloister.import_as_of', %s, true)", [self.as_of.isoformat()])
            if self.since is not None:
                chosen.execute("select set_config('cloister.import_since', %s, true)", [self.since.isoformat()])
            yield chosen


def unchanged(row: str) -> str:
    """The condition that a row, by its alias, is as it was when what is imported came in, but for what it has written.

    That is all since the rows are tried again, or since those that came too early are read again. What comes in now
    finds every row so.
    """
    as_of, since = (
        f"nullif(current_setting('cloister.import_{name}', true), '')::timestamptz" for name in ("as_of", "since")
    )
    return (
        f"({row}.changed_at <= coalesce({as_of}, 'infinity')"
        f" or {row}.changed_at >= coalesce({since}, transaction_timestamp()))"
    )


def _connect(at: Server) -> psycopg.Connection:
    connection = connect(Login.IMPORTER, at=at)
    # What is staged is analyzed to be joined once: a tenth of the usual sample tells the planner as much.
    connection.execute("set default_statistics_target = 10")
    connection.commit()
    return connection


def _now(connection: psycopg.Connection) -> datetime:
    ((now,),) = connection.execute("select clock_timestamp()").fetchall()
    return cast(datetime, now)


@contextmanager
def import_session(
    at: Server,
    source: str,
    keys: KeyProvider,
    clinic: str | None,
    as_of: datetime | None = None,
    *,
    fires: bool,
    waits: bool = True,
) -> Iterator[ImportSession]:
    """Connect, and wait for other imports of this source: each would make its people anew.

    Raises:
        SourceBusy: there is one, and this one `waits` for none.
    """
    with ExitStack() as stack:
        connection = stack.enter_context(_connect(at))
        # The session's lock: it goes with the connection, however the import ends.
        if connection.execute(_WAIT if waits else _TRY, [source]).fetchone() == (False,):
            raise SourceBusy(f"another import of source '{source}' is under way")
        begun = _now(connection)
        connection.commit()
        lanes = [stack.enter_context(_connect(at)) for _ in range(LANES)]
        # Entered last, so left first: no connection closes under a thread that uses it.
        threads = [Lane(lane, stack.enter_context(ThreadPoolExecutor(1))) for lane in lanes]
        yield ImportSession(
            connection, threads, FieldCodec(keys), begun, clinic, as_of, begun if as_of else None, fires=fires
        )
