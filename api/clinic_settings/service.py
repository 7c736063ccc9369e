"""What managers of a clinic and admins may say about what it offers, and admins about how long things
stand and where it is.

The API and the pages share it.
"""

import re
from typing import Any

from api.accounts import check_name
from api.bodies import given
from api.clinic_settings import repository
from api.clinic_settings.schemas import (
    Bookings,
    ClinicLocation,
    ClinicRetention,
    ClinicSettings,
    OfferedService,
    Retention,
)
from api.gateway import Access, Caller, Work
from api.services import Services
from infra.clinic_settings import ServiceSettings
from infra.errors import InvalidInput
from infra.settings import settings
from policies.access.model import Resource
from policies.words import Action

SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")


async def read(serving: Services, caller: Caller, clinic: str) -> ClinicSettings:
    """All of a clinic's settings.

    Raises:
        NotThere: no such clinic, or not the caller's to configure.
    """
    async with serving.gateway.work(caller, Access(Action.CLINIC_SETTINGS_READ, Resource(clinic))) as work:
        await work.record()
        found, offered = await repository.clinic(work), await repository.services(work)
    chosen = settings()
    return ClinicSettings(
        **{name: found[name] for name in ("clinic", "name", "time_zone", "country", "templates")},
        retention=Retention(
            audit_years=chosen.audit_retention_years,
            feed_days=chosen.feed_retention_days,
            consent_grace_days=found["consent_grace_days"],
        ),
        bookings=Bookings(**{name: found[name] for name in Bookings.model_fields if found[name] is not None}),
        services=[OfferedService(**row) for row in offered],
    )


async def save_bookings(serving: Services, caller: Caller, clinic: str, asked: Bookings | None) -> None:
    """Say who offers appointments, how far ahead, and which forms go with a new registration.

    Raises:
        NotThere: no such clinic, or not the caller's to configure.
        InvalidInput: nothing was sent, no such form, or a name with characters that do not show; names the field.
    """
    async with serving.gateway.work(caller, Access(Action.CLINIC_SETTINGS_SAVE, Resource(clinic))) as work:
        wanted = given(asked)
        for name in wanted.specialists:
            check_name(name, "body.specialists")
        await _check_forms(work, wanted.registration_forms, "body.registration_forms")
        await work.record()
        await repository.save_bookings(work, wanted)


async def save_service(
    serving: Services, caller: Caller, clinic: str, service: str, asked: ServiceSettings | None
) -> None:
    """Say what a service is like; one that is new is added, one that is not `open` can be booked no more.

    Raises:
        NotThere: no such clinic, or not the caller's to configure.
        InvalidInput: nothing was sent, no slug, no such form or specialist; names the field.
    """
    async with serving.gateway.work(caller, Access(Action.CLINIC_SETTINGS_SAVE, Resource(clinic))) as work:
        wanted = given(asked)
        if not SLUG.fullmatch(service):
            raise InvalidInput("no slug", place="path.service", rule="no_slug")
        check_name(wanted.name, "body.name")
        known = (await _check_forms(work, wanted.forms, "body.forms"))["specialists"]
        if set(wanted.specialists) - set(known):
            raise InvalidInput("no such specialist", place="body.specialists", rule="no_specialist")
        await work.record()
        # All of the clinic's if none is named.
        await repository.save_service(
            work, service, wanted.model_copy(update={"specialists": wanted.specialists or known})
        )


async def save_retention(serving: Services, caller: Caller, clinic: str, asked: ClinicRetention | None) -> None:
    """Say how long things stand at a clinic.

    Raises:
        NotThere: no such clinic, or the caller is no admin.
        InvalidInput: nothing was sent.
    """
    async with serving.gateway.work(caller, Access(Action.CLINIC_RETENTION_SAVE, Resource(clinic))) as work:
        wanted = given(asked)
        await work.record()
        await repository.save_retention(work, wanted)


async def save_location(serving: Services, caller: Caller, clinic: str, asked: ClinicLocation | None) -> None:
    """Say where a clinic is.

    Raises:
        NotThere: no such clinic, or the caller is no admin.
        InvalidInput: nothing was sent, or a time zone that the database does not have; names the field.
    """
    async with serving.gateway.work(caller, Access(Action.CLINIC_LOCATION_SAVE, Resource(clinic))) as work:
        wanted = given(asked)
        if not await repository.is_zone(work, wanted.time_zone):
            raise InvalidInput("no time zone of the database", place="body.time_zone", rule="no_zone")
        await work.record()
        await repository.save_location(work, wanted)


async def _check_forms(work: Work, forms: list[str], place: str) -> dict[str, Any]:
    """What the clinic has, all of these forms among it."""
    found = await repository.clinic(work)
    if set(forms) - set(found["templates"]):
        raise InvalidInput("no such form", place=place, rule="no_form")
    return found
