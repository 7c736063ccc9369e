"""What a patient or a guardian sees and decides."""

from fastapi import APIRouter

from api.pages.patient import (
    accesses,
    appointments,
    booking,
    consents,
    data,
    exercises,
    family,
    forms,
    overview,
    profile,
)
from api.pages.patient.whose import DEPENDENTS, OWN

# There for oneself and for every dependent; for oneself alone; of dependents alone.
_BOTH = (overview, appointments, booking, forms, exercises, consents, profile, accesses, data, family)
_OWN = (appointments, forms, exercises, profile, family)
_FAMILY = APIRouter()
for part in _BOTH:
    for prefix in (OWN, DEPENDENTS):
        _FAMILY.include_router(part.router, prefix=prefix)
for owner in _OWN:
    _FAMILY.include_router(owner.own, prefix=OWN)
_FAMILY.include_router(family.of_dependents, prefix=DEPENDENTS)

ROUTERS: tuple[APIRouter, ...] = (_FAMILY, consents.linked, family.linked)
