"""The pages. They ask the same services as the API, so a page view is the same recorded access."""

import hmac
import secrets
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from api.audit import service as audit
from api.audit.schemas import Filters
from api.clinics.routes import visible
from api.gateway import Caller
from api.identity import sessions, signing_in
from api.identity.sessions import Session
from api.pages.charts import DIMENSIONS, chart, charts
from api.pages.filters import audit_filters
from api.pages.show import ACTIONS
from api.problems import NotSignedIn
from api.segments import service as segments
from api.services import Services, Serving, caller_of
from infra.errors import NotThere
from policies.words import Role

MEMBERS_A_PAGE = 50
EVENTS_A_PAGE = 50
FORM_COOKIE = "cloister_form"

router = APIRouter()


@dataclass(frozen=True)
class Visitor:
    """Who looks at a page."""

    caller: Caller
    session: Session

    @property
    def audits(self) -> bool:
        """Whether the navigation offers the access log."""
        subject = self.caller.principal.subject
        return subject.has(Role.CLINIC_AUDITOR) or subject.has(Role.PLATFORM_AUDITOR)

    @property
    def manages(self) -> bool:
        """Whether the navigation offers segments."""
        return self.caller.principal.subject.has(Role.CLINIC_MANAGER)


async def visitor(request: Request, serving: Serving) -> Visitor:
    """Who looks at a page.

    Raises:
        NotSignedIn: no live session.
    """
    token = request.cookies.get(sessions.COOKIE)
    session = await serving.session(token) if token else None
    if session is None:
        if token:
            await serving.refuse(request)
        raise NotSignedIn("no live session")
    return Visitor(caller_of(request, session.principal), session)


Visiting = Annotated[Visitor, Depends(visitor)]
Cursor = Annotated[str | None, Query(max_length=400)]


@router.get("/sign-in")
async def sign_in_form(request: Request) -> Response:
    """The form to sign in with."""
    return _sign_in_page(request, 200, failed=False)


@router.post("/sign-in")
async def sign_in(
    request: Request,
    serving: Serving,
    login: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1024)] = "",
    form: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Sign in, and go to the first page."""
    # The form proves that it came from our own page: somebody else's cannot know the cookie.
    if not form or not hmac.compare_digest(form.encode(), request.cookies.get(FORM_COOKIE, "").encode()):
        return _sign_in_page(request, 400, failed=False)
    try:
        token = await signing_in.for_session(serving, request, login, password)
    except NotSignedIn:
        return _sign_in_page(request, 401, failed=True)
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(FORM_COOKIE)
    _set_cookie(request, answer, sessions.COOKIE, token, sessions.LIFETIME_HOURS * 3600)
    return answer


@router.post("/sign-out")
async def sign_out(
    request: Request, serving: Serving, visiting: Visiting, csrf: Annotated[str, Form(max_length=100)] = ""
) -> Response:
    """End the session."""
    if not visiting.session.accepts(csrf):
        raise NotThere("the form is not of this session")
    await signing_in.out(serving, request, visiting.caller, request.cookies[sessions.COOKIE])
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(sessions.COOKIE)
    return answer


@router.get("/")
async def home(visiting: Visiting) -> Response:
    """Where somebody with these roles begins."""
    managed = visiting.caller.principal.subject.clinics(Role.CLINIC_MANAGER)
    if len(managed) == 1:
        return RedirectResponse(f"/clinics/{managed[0]}/segments", 303)
    return RedirectResponse("/audit" if visiting.audits and not managed else "/clinics", 303)


@router.get("/clinics")
async def clinics_page(request: Request, serving: Serving, visiting: Visiting) -> Response:
    """The clinics that the visitor may know of."""
    managed = visiting.caller.principal.subject.clinics(Role.CLINIC_MANAGER)
    found = await visible(serving, visiting.caller)
    return _page(request, visiting, "clinics.html", clinics=found, managed=managed)


@router.get("/clinics/{clinic}/segments")
async def segments_page(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    by: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """A clinic's segments with their counts, and their make-up by one dimension."""
    found = await segments.list_segments(serving, visiting.caller, clinic)
    chosen = by if by in DIMENSIONS else next(iter(DIMENSIONS))
    shown = [{**segment, "chart": chart(segment["make_up"], chosen)} for segment in found.segments]
    return _page(
        request,
        visiting,
        "segments.html",
        clinic=found.clinic,
        segments=shown,
        by=chosen,
        dimensions=DIMENSIONS,
    )


@router.get("/clinics/{clinic}/segments/{segment}")
async def segment_page(
    request: Request, serving: Serving, visiting: Visiting, clinic: str, segment: str, cursor: Cursor = None
) -> Response:
    """One segment: its make-up and its members by name."""
    found = await segments.read_segment(serving, visiting.caller, clinic, segment)
    page = await segments.list_members(serving, visiting.caller, clinic, segment, MEMBERS_A_PAGE, cursor)
    return _page(
        request,
        visiting,
        "segment.html",
        clinic=found.clinic,
        segment=found.segments[0],
        charts=charts(found.segments[0]["make_up"]),
        page=page,
        first=cursor is None,
    )


@router.get("/audit")
async def audit_page(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    filters: Annotated[Filters, Depends(audit_filters)],
    clinic: Annotated[str, Query(max_length=40)] = "",
    cursor: Cursor = None,
) -> Response:
    """The access log, newest first, as far as the visitor may see it."""
    chosen = clinic or audit.only_clinic(visiting.caller)
    found = await audit.search(serving, visiting.caller, chosen or None, filters, EVENTS_A_PAGE, cursor)
    return _page(
        request,
        visiting,
        "audit.html",
        found=found,
        filters=filters,
        clinic=chosen or "",
        clinics=await _audited(serving, visiting),
        actions=[action.value for action in ACTIONS],
        query=[(k, v) for k, v in request.query_params.multi_items() if k != "cursor" and v],
        first=cursor is None,
    )


async def _audited(serving: Services, visiting: Visitor) -> list[str]:
    """The clinics whose log the visitor may choose."""
    subject = visiting.caller.principal.subject
    if subject.has(Role.PLATFORM_AUDITOR):
        return [clinic.slug for clinic in await serving.directory.clinics()]
    return subject.clinics(Role.CLINIC_AUDITOR)


def _page(request: Request, visiting: Visitor, template: str, **values: Any) -> Response:
    answer: Response = request.app.state.templates.TemplateResponse(request, template, {"visitor": visiting, **values})
    return answer


def _sign_in_page(request: Request, status: int, *, failed: bool) -> Response:
    form = secrets.token_urlsafe(24)
    answer: Response = request.app.state.templates.TemplateResponse(
        request, "sign_in.html", {"failed": failed, "form": form}, status_code=status
    )
    _set_cookie(request, answer, FORM_COOKIE, form, 3600)
    return answer


def _set_cookie(request: Request, answer: Response, name: str, value: str, seconds: int) -> None:
    secure = request.url.scheme == "https"
    answer.set_cookie(name, value, max_age=seconds, httponly=True, samesite="strict", secure=secure)
