"""A patient's profile, for the specialist who treats them and for systems in their scope."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic_core import to_json

from api.profiles import service
from api.profiles.schemas import Profile
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/clinics/{clinic}/patients", tags=["profiles"])


@router.get("/{patient}/profile", response_model=Profile)
async def read_profile(serving: Serving, caller: ApiCaller, clinic: str, patient: str) -> Response:
    """The patient's name; the rest of the profile only while the patient shares it. The read is recorded."""
    return as_it_is(await service.read_profile(serving, caller, clinic, patient))


def as_it_is(fields: dict[str, Any], entity_tag: str | None = None) -> Response:
    """An answer whose keys are exactly these: the model documents it, and puts no null for an absent one."""
    headers = {} if entity_tag is None else {"etag": entity_tag}
    return Response(to_json(fields), media_type="application/json", headers=headers)
