"""One's own profile, one's dependents', and who read them: for patients and guardians."""

from fastapi import APIRouter
from fastapi.responses import Response

from api.cursors import Cursor, Limit
from api.me import service
from api.me.schemas import Dependents, OwnImpersonations, PersonAccesses
from api.profiles.routes import as_it_is
from api.profiles.schemas import PersonProfile
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/me", tags=["me"])


@router.get("/profile", response_model=PersonProfile)
async def read_own_profile(serving: Serving, caller: ApiCaller) -> Response:
    """The caller's own profile."""
    return as_it_is(*await service.read_profile(serving, caller))


@router.get("/access-log")
async def list_own_accesses(
    serving: Serving, caller: ApiCaller, limit: Limit = 100, cursor: Cursor = None
) -> PersonAccesses:
    """Who was shown the caller's data: where, when, in which role and for what."""
    return await service.list_accesses(serving, caller, limit, cursor)


@router.get("/impersonations")
async def list_own_impersonations(serving: Serving, caller: ApiCaller) -> OwnImpersonations:
    """When and why an admin acted as the caller."""
    return await service.list_impersonations(serving, caller)


@router.get("/dependents")
async def list_dependents(serving: Serving, caller: ApiCaller) -> Dependents:
    """Whom the caller is a guardian of today."""
    return await service.list_dependents(serving, caller)


@router.get("/dependents/{dependent}/profile", response_model=PersonProfile)
async def read_dependents_profile(serving: Serving, caller: ApiCaller, dependent: str) -> Response:
    """A dependent's profile; of the emergency contacts those that the caller entered."""
    return as_it_is(*await service.read_profile(serving, caller, dependent))


@router.get("/dependents/{dependent}/access-log")
async def list_dependents_accesses(
    serving: Serving, caller: ApiCaller, dependent: str, limit: Limit = 100, cursor: Cursor = None
) -> PersonAccesses:
    """Who was shown a dependent's data."""
    return await service.list_accesses(serving, caller, limit, cursor, dependent)
