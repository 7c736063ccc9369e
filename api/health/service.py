"""What admins may ask about how the platform is; the API and the page share it."""

import asyncio
from typing import Any

from api.gateway import Access, Caller
from api.health import repository
from api.health.schemas import CheckHealth, ClinicHealth, Health, SealedLog
from api.services import Services
from infra import live_health
from policies.words import Action

_NOTHING = live_health.ClinicHealth(0, 0, 0, 0, 0, 0, [])


async def health(serving: Services, caller: Caller) -> Health:
    """How live workers, builds, the checks of the data and the sealed log stand.

    Raises:
        NotThere: the caller is no admin.
    """
    async with serving.gateway.open(caller, Access(Action.PLATFORM_HEALTH)) as grant:
        sealed = await repository.sealed(grant)
        checks = await repository.checks(grant)
        rows = await repository.builds(grant)
    # Each clinic's queue is its own reader's to see: over a connection apart, as the metrics do.
    live = await asyncio.to_thread(live_health.health, serving.at)
    return Health(
        live_workers=live.workers,
        clinics=[ClinicHealth(**row, **_of(live, row["clinic"])) for row in rows],
        checks=[CheckHealth(**row) for row in checks],
        sealed=[SealedLog(**row) for row in sealed],
    )


def _of(live: live_health.Health, clinic: str) -> dict[str, Any]:
    found = live.clinics.get(clinic, _NOTHING)
    return {
        "waiting_changes": found.waiting,
        "lag_seconds": found.oldest,
        "last_lag_seconds": found.last_lag,
        "dead_changes": found.dead,
        "stale_patients": found.stale,
        "unfinished_consents": found.unfinished,
        "broken_segments": found.broken,
    }
