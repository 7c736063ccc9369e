"""The clinics that the caller may know of."""

from datetime import date, datetime

from fastapi import APIRouter
from psycopg import sql
from pydantic import BaseModel

from api.directory import ClinicEntry
from api.gateway import Access, Caller
from api.services import ApiCaller, Services, Serving
from policies.access.model import Resource
from policies.words import Action

router = APIRouter(tags=["clinics"])


class Clinic(BaseModel):
    """A clinic, and the day its segments stand for."""

    slug: str
    name: str
    time_zone: str
    as_of: date | None
    built_at: datetime | None


class Clinics(BaseModel):
    """Clinics by name."""

    clinics: list[Clinic]


async def visible(serving: Services, caller: Caller) -> list[ClinicEntry]:
    """The clinics that the caller may know of; asking is an event."""
    async with serving.gateway.open(caller, Access(Action.CLINIC_LIST)) as grant:
        # The list itself is in the directory; the read is there to be recorded.
        await grant.read(sql.SQL("select 1 as asked"), sql.SQL("asked"))
    return [
        clinic
        for clinic in await serving.directory.clinics()
        if serving.gateway.permits(caller.principal, Access(Action.CLINIC_READ, Resource(clinic.slug)))
    ]


@router.get("/clinics")
async def list_clinics(serving: Serving, caller: ApiCaller) -> Clinics:
    """The clinics that the caller may know of, by name."""
    return Clinics(clinics=[Clinic.model_validate(c, from_attributes=True) for c in await visible(serving, caller)])
