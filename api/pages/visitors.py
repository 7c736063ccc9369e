"""Who looks at a page, and whether a form came from one of ours."""

import hmac
import secrets
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Depends, Form, Query, Request
from fastapi.responses import Response

from api.gateway import Access, Caller
from api.identity import sessions
from api.identity.impersonation import Live
from api.identity.sessions import Session
from api.me.service import person_of
from api.pages.impersonated_addresses import impersonation_of
from api.pages.navigation import Area, offered
from api.problems import CodeNeeded, FromElsewhere, NotSignedIn
from api.services import Services, Serving, caller_of
from infra.errors import NotThere
from policies.words import Action, Role

FORM_COOKIE = "cloister_form"
FORM_SECONDS = 3600
# What a part's pages need beside what all have.
SHEETS = {
    "manager": "clinic", "auditor": "clinic", "admin": "setting-up",
    "patient": "people", "specialist": "people", "staff": "people",
}  # fmt: skip

Cursor = Annotated[str | None, Query(max_length=400)]
Csrf = Annotated[str, Form(max_length=100)]


@dataclass(frozen=True)
class Visitor:
    """Who looks at a page."""

    caller: Caller
    session: Session
    # As whom an admin acts now: every page says so.
    acting_as: tuple[Live, ...] = ()
    # Of these the one that the page stands under.
    under: Live | None = None

    @property
    def told(self) -> tuple[Live, ...]:
        """What the page's banners say: under which impersonation it stands, elsewhere all that are open."""
        return (self.under,) if self.under else self.acting_as

    @property
    def own(self) -> str:
        """Where the pages of a patient begin: the visitor's own, or those of whom they act as."""
        return f"/as/{self.under.impersonation_id}/me" if self.under else "/me"

    @property
    def administers(self) -> bool:
        """Whether the visitor may act as somebody else."""
        return self.caller.principal.subject.has(Role.PLATFORM_ADMIN)

    @property
    def audits(self) -> bool:
        """Whether the visitor has any log to look at."""
        subject = self.caller.principal.subject
        return subject.has(Role.PLATFORM_AUDITOR) or bool(subject.clinics(Role.CLINIC_AUDITOR))

    def works_as(self, role: str, clinic: str) -> bool:
        """Whether the visitor has that role at a clinic."""
        return clinic in self.caller.principal.subject.clinics(Role(role))

    def areas(self, mailbox_here: bool) -> list[Area]:
        """What the navigation offers."""
        roles = {role for role, _ in self.caller.principal.subject.roles}
        found = offered(frozenset(roles | ({Role.PATIENT} if self.acting_as else set())), mailbox_here)
        return [replace(area, path=self.own) if area.key == "me" else area for area in found]

    def sees(self, serving: Services, access: Access) -> bool:
        """Whether a link to what an access gives leads anywhere for the visitor."""
        return serving.gateway.permits(self.caller.principal, access)

    def standing_under(self, impersonation: UUID) -> "Visitor":
        """The visitor of a page that stands under one of their impersonations; under none if it is none of these."""
        named = [live for live in self.acting_as if live.impersonation_id == impersonation]
        return replace(self, under=named[0] if named else None)

    def sent(self, csrf: str) -> None:
        """Make sure that a form came from one of this session's own pages.

        Raises:
            NotThere: it did not.
        """
        if not self.session.accepts(csrf):
            raise NotThere("the form is not of this session")


async def arriving(request: Request, serving: Serving) -> Visitor:
    """Who has a session, complete or not: for the pages that complete it.

    Raises:
        NotSignedIn: no live session.
        TooMany: the principal asks too often.
    """
    token = request.cookies.get(serving.cookie(sessions.COOKIE))
    session = await serving.session(token) if token else None
    if session is None:
        if token:
            await serving.refuse(request)
        raise NotSignedIn("no live session")
    serving.principals.take(str(session.principal.principal_id))
    return Visitor(caller_of(request, session.principal), session)


Arriving = Annotated[Visitor, Depends(arriving)]


async def visitor(request: Request, serving: Serving, found: Arriving) -> Visitor:
    """Who looks at a page.

    Raises:
        NotSignedIn: no live session.
        CodeNeeded: its second step is still to come.
        NotThere: the address names an impersonation that is over, or none of theirs; recorded.
    """
    if not found.session.complete:
        raise CodeNeeded("the session asks for a code first")
    found = await as_whom(serving, found)
    # Pages of errors know nobody, and carry the banner all the same.
    request.state.visitor = found
    if impersonation := impersonation_of(request):
        request.state.visitor = found = found.standing_under(impersonation)
        if found.under is None:
            await serving.gateway.refuse(found.caller, Access(Action.PERSON_READ, person_of(found.caller, "")))
    return found


async def as_whom(serving: Services, found: Visitor) -> Visitor:
    """The visitor with whom they act as at this moment."""
    if not found.administers:
        return found
    return replace(found, acting_as=tuple(await serving.opened(found.caller.principal)))


Visiting = Annotated[Visitor, Depends(visitor)]


async def own_forms_only(request: Request) -> None:
    """A dependency of every page: what changes something comes from a page of this very site.

    Browsers say so in Sec-Fetch-Site, older ones in Origin; a form's own token is checked besides.

    Raises:
        FromElsewhere: it does not.
    """
    if request.method in {"GET", "HEAD"}:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in {None, "same-origin", "none"}:
        raise FromElsewhere("from another site")
    # Behind a proxy the scheme may differ, the host may not.
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise FromElsewhere("from another origin")


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A page from its template, with the style sheet of the part that it belongs to."""
    values["sheet"] = SHEETS.get(template.split("/")[0])
    answer: Response = request.app.state.templates.TemplateResponse(request, template, values, status_code=status)
    return answer


def form_page(request: Request, serving: Services, template: str, status: int = 200, **values: Any) -> Response:
    """A page with a form for somebody without a session: it carries what a cookie of ours says as well."""
    form = secrets.token_urlsafe(24)
    answer = page(request, template, status, form=form, **values)
    set_cookie(request, serving, answer, FORM_COOKIE, form, FORM_SECONDS)
    return answer


def of_own_page(request: Request, serving: Services, form: str) -> bool:
    """Whether a form came from our own page: somebody else's cannot know the cookie."""
    return bool(form) and same(form, request.cookies.get(serving.cookie(FORM_COOKIE), ""))


def set_cookie(request: Request, serving: Services, answer: Response, name: str, value: str, seconds: int) -> None:
    """Set a cookie that no script reads and no other site sends."""
    secure = serving.production or request.url.scheme == "https"
    answer.set_cookie(
        serving.cookie(name), value, max_age=seconds, path="/", httponly=True, samesite="strict", secure=secure
    )


def drop_cookie(serving: Services, answer: Response, name: str) -> None:
    """Have the browser forget a cookie; a `__Host-` one goes as it came, secure."""
    answer.delete_cookie(serving.cookie(name), path="/", httponly=True, samesite="strict", secure=serving.production)


def same(first: str, second: str) -> bool:
    """Whether two secrets are one, in a time that does not tell where they part."""
    return hmac.compare_digest(first.encode(), second.encode())
