"""How the platform is: for platform admins."""

from fastapi import APIRouter

from api.health import service
from api.health.schemas import Health
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/platform", tags=["platform"])


@router.get("/health")
async def read_health(serving: Serving, caller: ApiCaller) -> Health:
    """Live workers, and each clinic's lag, dead changes, last build and checks; the sealed log's newest checkpoints."""
    return await service.health(serving, caller)
