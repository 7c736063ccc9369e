"""Plans a clinic's statements before its first change comes: some 30 ms that the first one would wait otherwise.

Each statement of a unit runs once, for nobody.
"""

from contextlib import suppress
from uuid import UUID

import psycopg

from orchestration.ingest.sources import Asset
from orchestration.live.copying import copy
from orchestration.live.lane import Lane
from orchestration.live.queue import take
from orchestration.reevaluate import reevaluate

# Not an empty list, which has another type for the database, and so another plan.
_NOBODY = [UUID(int=0)]


def warm(lane: Lane, clinic: str) -> None:
    """Have a lane keep the plans of a clinic; one that is locked, or fails, is planned when it is attended to."""
    with suppress(psycopg.DatabaseError), lane.alone(clinic, wait=False) as got:
        if got:
            standing, _ = take(lane.connection, clinic, most=0)
            for asset in Asset:
                copy(lane.connection, clinic, asset, _NOBODY)
            program = lane.program(clinic, standing.rules)
            reevaluate(lane.connection, clinic, program, _NOBODY, standing.as_of or standing.at.date(), standing.at)
            if standing.as_of:
                lane.meet(clinic, standing.as_of)
