"""The connections of one import, and the lock that keeps a second import of the same source out."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psycopg

from infra.database import Server, connect, set_clinics
from infra.encryption.field_codec import FieldCodec
from infra.encryption.keyring import KeyProvider
from infra.roles import Login

WORKERS = 2


@dataclass(frozen=True)
class ImportSession:
    """`workers` load records side by side; the first of them is also the `connection` for everything else.

    `clinic` is the one that all rows belong to, where the mapping names no column for it.
    """

    workers: list[psycopg.Connection]
    codec: FieldCodec
    clinic: str | None = None

    @property
    def connection(self) -> psycopg.Connection:
        """The connection that holds the source's lock."""
        return self.workers[0]

    @contextmanager
    def transaction(
        self, clinic_ids: Iterable[int] = (), connection: psycopg.Connection | None = None
    ) -> Iterator[psycopg.Connection]:
        """A transaction that may touch the rows of these clinics."""
        chosen = connection or self.connection
        with chosen.transaction():
            set_clinics(chosen, clinic_ids)
            yield chosen


@contextmanager
def import_session(at: Server, source: str, keys: KeyProvider, clinic: str | None) -> Iterator[ImportSession]:
    """Connect, and wait for other imports of this source: each would make its people anew."""
    with ExitStack() as stack:
        workers = [stack.enter_context(connect(Login.IMPORTER, at=at)) for _ in range(WORKERS)]
        # The session's lock: it goes with the connection, however the import ends.
        workers[0].execute("select pg_advisory_lock(hashtextextended('cloister.import.' || %s, 0))", [source])
        workers[0].commit()
        yield ImportSession(workers, FieldCodec(keys), clinic)
