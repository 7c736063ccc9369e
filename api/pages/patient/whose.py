"""Whose pages somebody looks at: their own, or a dependent's. An admin who acts as somebody sees that person's."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response

from api.directory import ClinicEntry
from api.gateway import Access, Caller
from api.me import service as me
from api.pages.texts import N_
from api.pages.visitors import Visiting, Visitor, page
from api.services import Services, Serving
from policies.words import Action, Role

OWN, DEPENDENTS = "/me", "/me/dependents/{dependent}"


@dataclass(frozen=True)
class Section:
    """A page of everybody's, and whether somebody who acts as them may see it, or a guardian of them."""

    key: str
    title: str
    path: str
    impersonated: bool = False
    needs_records: bool = True


SECTIONS = (
    Section("overview", N_("Overview"), "", impersonated=True, needs_records=False),
    Section("appointments", N_("Appointments"), "/appointments"),
    Section("forms", N_("Forms"), "/forms"),
    Section("exercises", N_("Exercises"), "/exercises"),
    Section("consents", N_("Consents"), "/consents"),
    Section("profile", N_("Profile"), "/profile", impersonated=True),
    Section("accesses", N_("Who read it"), "/accesses", impersonated=True, needs_records=False),
    Section("data", N_("Take it along"), "/data"),
    Section("family", N_("Family"), "/family", impersonated=True, needs_records=False),
)


@dataclass(frozen=True)
class Whose:
    """Whose pages these are; `caller` is the visitor, or whom they act as."""

    visitor: Visitor
    caller: Caller
    dependent: str | None

    @property
    def base(self) -> str:
        """Where these pages begin."""
        return self.own if self.dependent is None else f"{self.own}/dependents/{self.dependent}"

    @property
    def own(self) -> str:
        """Where the caller's own pages begin."""
        return self.visitor.own

    @property
    def impersonated(self) -> bool:
        """Whether an admin acts as the person, and only reads."""
        return self.caller.principal.acting is not None

    @property
    def is_patient(self) -> bool:
        """Whether there are own records, and not a dependent's alone."""
        return self.caller.principal.subject.has(Role.PATIENT)

    @property
    def is_guardian(self) -> bool:
        """Whether somebody may depend on the caller."""
        return self.caller.principal.subject.has(Role.GUARDIAN)

    @property
    def sections(self) -> list[Section]:
        """The pages that are there for the caller."""
        has_records = self.dependent is not None or self.is_patient
        return [
            section
            for section in SECTIONS
            if (section.impersonated or not self.impersonated) and (has_records or not section.needs_records)
        ]

    def to(self, path: str) -> Response:
        """Lead on to one of these pages."""
        return RedirectResponse(f"{self.base}{path}", 303)


async def whose(request: Request, serving: Serving, visiting: Visiting) -> Whose:
    """Whose pages the path names; nothing is decided here. Where it names none of several, the one that ends first.

    Raises:
        NotThere: nobody may act as the person any longer, who was disabled, say; recorded. Never the admin instead.
    """
    caller = visiting.caller
    if visiting.acting_as:
        if visiting.under is None:
            visiting = request.state.visitor = visiting.standing_under(visiting.acting_as[0].impersonation_id)
        principal = await serving.acted_as(caller.principal, visiting.told[0])
        if principal is None:
            await serving.gateway.refuse(caller, Access(Action.PERSON_READ, me.person_of(caller, "")))
        caller = replace(caller, principal=principal)
    return Whose(visiting, caller, request.path_params.get("dependent"))


AsWhose = Annotated[Whose, Depends(whose)]


async def show(
    request: Request, serving: Services, whose: Whose, template: str, status: int = 200, **values: Any
) -> Response:
    """A page of theirs: the frame says whose it is."""
    name = await name_of(serving, whose)
    clinics = await by_slug(serving)
    return page(request, template, status, visitor=whose.visitor, whose=whose, name=name, clinics=clinics, **values)


async def name_of(serving: Services, whose: Whose) -> str | None:
    """The dependent's name; None on one's own pages.

    Raises:
        NotThere: no such dependent, or not the caller's today.
    """
    if whose.dependent is None:
        return None
    found = await me.list_dependents(serving, whose.caller)
    named = [each.name for each in found.dependents if str(each.id) == whose.dependent]
    if not named:
        await serving.gateway.refuse(whose.caller, Access(Action.PERSON_READ, me.person_of(whose.caller, "")))
    return named[0]


async def by_slug(serving: Services) -> dict[str, ClinicEntry]:
    """Every clinic, for names and time zones."""
    return {clinic.slug: clinic for clinic in await serving.directory.clinics()}
