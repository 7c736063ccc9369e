"""What admins ask for on the page: rows of the quarantine that are tried again by themselves, within seconds.

The live worker's process does so beside its own work. Any number may: while another import of the source is under way
its rows are left for later, and whoever comes second finds nothing that is asked for still. Whoever is killed half-way
leaves it asked for.
"""

import time
from collections.abc import Callable

import psycopg
import structlog

from infra.database import Server, connect
from infra.encryption.provider import key_provider
from infra.errors import CloisterError, DatabaseUnavailable, KeysUnavailable
from infra.log import where
from infra.roles import Login
from infra.settings import settings
from orchestration.importing.again import Trying, check_whole, try_file
from orchestration.importing.run import Report
from orchestration.importing.session import SourceBusy
from orchestration.importing.waiting import Chosen, Kept, anything_asked, give_up, kept

EVERY = 2.0  # seconds between two looks
log = structlog.get_logger()


def follow(at: Server, stopped: Callable[[], bool] = lambda: False) -> None:
    """Try what is asked for until stopped; whatever fails, what is not done yet is tried again."""
    failed = False
    while not stopped():
        try:
            with connect(Login.IMPORTER, at=at, autocommit=True) as connection:
                while not stopped():
                    if anything_asked(connection):
                        try_asked(at, Trying(key_provider(settings(), at.secrets_folder), settings().effective_mode))
                    failed = False
                    time.sleep(EVERY)
        except Exception as error:  # nobody would miss this thread: the process looks well without it
            if not failed:  # once, and not every second
                log.error("what was asked for in quarantine is not tried", **where(error))
            failed = True
            time.sleep(EVERY)


def try_asked(at: Server, how: Trying) -> list[Report]:
    """Try what is asked for now, file by file; of one that cannot even be tried, why not is noted at its entries.

    Files of a source that is being imported are left for later.

    Raises:
        DatabaseUnavailable, KeysUnavailable: what is not done yet is asked for still.
        psycopg.OperationalError: a file that this befell is asked for still; the others have been tried.
    """
    done: list[Report] = []
    busy: set[str] = set()
    failure: psycopg.OperationalError | None = None
    for file in kept(at, Chosen(asked=True)):
        if file.source in busy:  # even if it is free by now: what comes first may be needed
            continue
        try:
            done += _try(at, file, how)
        except SourceBusy:
            busy.add(file.source)
        except psycopg.OperationalError as error:
            failure = error
    if failure:
        raise failure
    return done


def _try(at: Server, file: Kept, how: Trying) -> list[Report]:
    try:
        check_whole(file)
        return [try_file(at, file, how, lambda *_: None, asked=True, waits=False)]
    except (SourceBusy, DatabaseUnavailable, KeysUnavailable, psycopg.OperationalError):
        raise
    except CloisterError as error:
        give_up(at, file.entries, str(error))
    except Exception as error:
        log.error("rows of the quarantine cannot be tried", **where(error))
        give_up(at, file.entries, "the import failed")
    return []
