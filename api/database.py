"""The API's pool of connections, each as the service's login."""

from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from infra.database import Server
from infra.roles import Login

Connection = AsyncConnection[DictRow]
Pool = AsyncConnectionPool[Connection]

# Each waits for the disk once a read, since a read is recorded: twice as many as a small machine has work for.
CONNECTIONS = 16
WAIT_SECONDS = 10.0


def limited(at: Server, login: Login, timeout_ms: int) -> dict[str, Any]:
    """Libpq parameters of a login whose queries, and rests within a transaction, end after `timeout_ms`."""
    parameters = at.parameters(login)
    parameters["options"] += f" -c statement_timeout={timeout_ms} -c idle_in_transaction_session_timeout={timeout_ms}"
    return parameters


def make_pool(at: Server, *, timeout_ms: int, size: int = CONNECTIONS, login: Login = Login.SERVICE) -> Pool:
    """A closed pool of a login, the service unless told otherwise; its queries end after `timeout_ms`.

    Roles, search paths and contexts are only ever set for one transaction (`set local`), and the
    pool rolls back or closes what comes back unfinished: a connection is always clean.
    """
    return AsyncConnectionPool(
        kwargs={**limited(at, login, timeout_ms), "autocommit": True, "row_factory": dict_row},
        connection_class=Connection,
        min_size=1,
        max_size=size,
        timeout=WAIT_SECONDS,
        open=False,
        name="cloister",
    )
