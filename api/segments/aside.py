"""A look within a work, of which nothing fails by it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import structlog
from psycopg import sql

from api.gateway import Work
from infra.log import where

log = structlog.get_logger()

_BEFORE = sql.SQL("savepoint aside")
_BRIEFLY = sql.SQL("set local statement_timeout = '1s'")
# Whether it failed or not: the role and the limit are again those of before.
_BACK = sql.SQL("rollback to savepoint aside")


@asynccontextmanager
async def aside(work: Work) -> AsyncIterator[None]:
    """A look that leaves its work as it was, and holds it up for moments; if it fails the work goes on without it."""
    await work.run(_BEFORE)  # to the end, with all that waited: what refuses that is no failure of the look
    work.later(_BRIEFLY)
    try:
        yield
    except psycopg.Error as error:
        log.warning("a look aside failed", sqlstate=error.sqlstate, **where(error))
    work.later(_BACK)
