"""The sealer: every second what was committed becomes leaves; every day the months ahead get their partitions.

Several may run: they take turns. One that is killed leaves nothing half done, and the next goes on.
"""

import time
from collections.abc import Callable

import psycopg
import structlog

from infra.audit_tree.seal import keys_of, seal
from infra.audit_tree.streams import STREAMS
from infra.database import Server, connect
from infra.errors import CloisterError
from infra.log import where
from infra.provisioner import make_months_ahead
from infra.roles import Login

EVERY = 1.0  # seconds between two rounds
DAILY = 86_400.0  # seconds
log = structlog.get_logger()


def seal_once(at: Server) -> dict[str, int]:
    """One round: how many events were sealed, by stream.

    Raises:
        TreeChanged: a stored tree is not the one last signed.
        Misconfigured: the log has been signed before, and its keyring is missing.
        DatabaseUnavailable: no database, or not set up.
    """
    with connect(Login.SEALER, at=at, autocommit=True) as connection:
        return _round(at, connection)


def run(at: Server, stopped: Callable[[], bool] = lambda: False) -> None:
    """Seal until stopped; what fails is logged, and tried again."""
    failed = False
    months_at = -DAILY
    while not stopped():
        try:
            if time.monotonic() - months_at >= DAILY:
                make_months_ahead(at)
                months_at = time.monotonic()
            with connect(Login.SEALER, at=at, autocommit=True) as connection:
                failed = False
                while not stopped() and time.monotonic() - months_at < DAILY:
                    began = time.monotonic()
                    _round(at, connection)
                    time.sleep(max(0.0, EVERY - (time.monotonic() - began)))
        except (psycopg.Error, CloisterError) as error:
            if not failed:  # once, and not every second
                log.error("the audit log is not sealed", **where(error))
            failed = True
            time.sleep(EVERY)


def _round(at: Server, connection: psycopg.Connection) -> dict[str, int]:
    keys = keys_of(connection, at.secrets_folder)
    return {stream.name: seal(connection, stream, keys) for stream in STREAMS.values()}
