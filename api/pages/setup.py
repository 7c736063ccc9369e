"""Mounts the pages: templates, the style sheet, the error page."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import Response
from fastapi.templating import Jinja2Templates

from api.pages import admin, auditor, entry, home, manager, patient, show, specialist, staff
from api.pages.assets import Assets
from api.pages.impersonated_addresses import ImpersonatedAddress
from api.pages.texts import add_texts, speak
from api.pages.visitors import own_forms_only
from api.routers import flat

FOLDER = Path(__file__).parent
PARTS = (entry, manager, auditor, patient, specialist, staff, admin)


def add_routes(served: APIRouter) -> None:
    """Have the pages among what is served."""
    pages = APIRouter(routes=flat([home.router, *(router for each in PARTS for router in each.ROUTERS)]))
    served.include_router(pages, include_in_schema=False, dependencies=[Depends(speak), Depends(own_forms_only)])


def install(app: FastAPI) -> None:
    """Give the app what its pages are made with."""
    templates = Jinja2Templates(FOLDER / "templates")
    add_texts(templates.env)
    show.add_filters(templates.env)
    assets = Assets(FOLDER / "static")
    templates.env.globals["asset"] = assets.path
    templates.env.globals["mailbox_here"] = not app.state.services.production
    app.state.templates = templates
    app.state.error_page = error_page
    app.add_middleware(ImpersonatedAddress)
    app.mount("/static", assets, name="static")


def error_page(request: Request, body: dict[str, Any]) -> Response:
    """A problem as a page: the same words for everybody."""
    templates: Jinja2Templates = request.app.state.templates
    return templates.TemplateResponse(request, "error.html", {"problem": body}, status_code=body["status"])
