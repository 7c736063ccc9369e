"""What all pages of an auditor have: which log it is, and whose logs there are to choose from."""

from typing import Any

from fastapi import Request
from fastapi.responses import Response

from api.pages.visitors import Visitor, page
from api.services import Services
from policies.words import Role


async def framed(
    request: Request,
    serving: Services,
    visiting: Visitor,
    template: str,
    here: str,
    status: int = 200,
    **values: Any,
) -> Response:
    """A page of an auditor's, `here` being its tab."""
    return page(
        request,
        template,
        status,
        visitor=visiting,
        here=here,
        clinics=await audited(serving, visiting),
        only=chosen(visiting, ""),
        **values,
    )


async def audited(serving: Services, visiting: Visitor) -> list[str]:
    """The clinics whose log the visitor may choose."""
    subject = visiting.caller.principal.subject
    if subject.has(Role.PLATFORM_AUDITOR):
        return [clinic.slug for clinic in await serving.directory.clinics()]
    return subject.clinics(Role.CLINIC_AUDITOR)


def chosen(visiting: Visitor, clinic: str) -> str | None:
    """Whose log is meant: the chosen clinic's, else the whole one of a platform auditor, of others their first one."""
    subject = visiting.caller.principal.subject
    own = subject.clinics(Role.CLINIC_AUDITOR)
    return clinic or (own[0] if own and not subject.has(Role.PLATFORM_AUDITOR) else None)
