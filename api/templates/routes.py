"""Templates of a clinic's forms."""

from typing import Annotated

from fastapi import APIRouter, Body, Query

from api.services import ApiCaller, Serving
from api.templates import service
from api.templates.schemas import SavedVersion, Templates, TemplateVersion
from policies.forms.template import Template

router = APIRouter(prefix="/clinics/{clinic}/templates", tags=["templates"])


@router.get("")
async def list_templates(serving: Serving, caller: ApiCaller, clinic: str) -> Templates:
    """The newest version of each template."""
    return await service.list_templates(serving, caller, clinic)


@router.get("/{template}")
async def read_template(
    serving: Serving,
    caller: ApiCaller,
    clinic: str,
    template: str,
    version: Annotated[int | None, Query(ge=1, le=2_147_483_647)] = None,
) -> TemplateVersion:
    """A template's newest version, or another one."""
    return await service.read_template(serving, caller, clinic, template, version)


@router.post("/{template}/versions", status_code=201)
async def save_template(
    serving: Serving, caller: ApiCaller, clinic: str, template: str, asked: Annotated[Template | None, Body()] = None
) -> SavedVersion:
    """Save the next version; forms that were assigned keep the one they have."""
    return await service.save_template(serving, caller, clinic, template, asked)
