"""The connections of one import, and the lock that keeps a second import of the same source out."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg

from infra.database import Server, connect, set_clinics
from infra.encryption.field_codec import FieldCodec
from infra.encryption.keyring import KeyProvider
from infra.roles import Login

LANES = 2


@dataclass(frozen=True)
class Lane:
    """A connection with a thread of its own: what it is given is done in order, beside everything else."""

    connection: psycopg.Connection
    thread: ThreadPoolExecutor


@dataclass(frozen=True)
class ImportSession:
    """`connection` holds the source's lock and serves people and quarantine; the lanes load records.

    `clinic` is the one that all rows belong to, where the mapping names no column for it. Of rows that are tried again
    `as_of` is when they came in: what has changed since is newer. Unless it `fires`, no automation may act on what
    comes of the import.
    """

    connection: psycopg.Connection
    lanes: list[Lane]
    codec: FieldCodec
    clinic: str | None = None
    as_of: datetime | None = None
    fires: bool = False

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
            yield chosen


def unchanged(row: str) -> str:
    """The condition that a row, by its alias, is as it was when what is imported came in, but for this transaction.

    What comes in now finds every row so.
    """
    as_of = "nullif(current_setting('cloister.import_as_of', true), '')::timestamptz"
    return f"({row}.changed_at <= coalesce({as_of}, 'infinity') or {row}.changed_at >= transaction_timestamp())"


@contextmanager
def import_session(
    at: Server, source: str, keys: KeyProvider, clinic: str | None, as_of: datetime | None = None, *, fires: bool
) -> Iterator[ImportSession]:
    """Connect, and wait for other imports of this source: each would make its people anew."""
    with ExitStack() as stack:
        connection = stack.enter_context(connect(Login.IMPORTER, at=at))
        # The session's lock: it goes with the connection, however the import ends.
        connection.execute("select pg_advisory_lock(hashtextextended('cloister.import.' || %s, 0))", [source])
        connection.commit()
        lanes = [stack.enter_context(connect(Login.IMPORTER, at=at)) for _ in range(LANES)]
        # Entered last, so left first: no connection closes under a thread that uses it.
        threads = [Lane(lane, stack.enter_context(ThreadPoolExecutor(1))) for lane in lanes]
        yield ImportSession(connection, threads, FieldCodec(keys), clinic, as_of, fires)
