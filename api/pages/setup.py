"""Mounts the pages: templates, the style sheet, the error page."""

from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

from api.pages import show
from api.pages.impersonations import router as impersonations
from api.pages.mailbox import router as mailbox
from api.pages.routes import router as pages
from api.pages.sessions import router as sessions
from api.pages.sign_in import router as sign_in
from api.pages.verify import router as verify
from api.pages.visitors import own_forms_only

FOLDER = Path(__file__).parent


def install(app: FastAPI) -> None:
    """Add the pages to the app."""
    templates = Jinja2Templates(FOLDER / "templates")
    show.add_filters(templates.env)
    templates.env.globals["mailbox_here"] = not app.state.services.production
    app.state.templates = templates
    app.state.error_page = error_page
    for router in (sign_in, verify, sessions, impersonations, mailbox, pages):
        app.include_router(router, include_in_schema=False, dependencies=[Depends(own_forms_only)])
    app.mount("/static", StaticFiles(directory=FOLDER / "static"), name="static")


def error_page(request: Request, body: dict[str, Any]) -> Response:
    """A problem as a page: the same words for everybody."""
    templates: Jinja2Templates = request.app.state.templates
    return templates.TemplateResponse(request, "error.html", {"problem": body}, status_code=body["status"])
