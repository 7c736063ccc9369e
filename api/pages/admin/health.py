"""How the platform is: live workers, each clinic's lag and last build, the sealed log."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.health import service
from api.pages.visitors import Visiting, page
from api.services import Serving

router = APIRouter(prefix="/admin")


@router.get("")
async def health_page(request: Request, serving: Serving, visiting: Visiting) -> Response:
    """What waits, what failed, and what to do about it."""
    found = await service.health(serving, visiting.caller)
    return page(request, "admin/health.html", visitor=visiting, health=found)
