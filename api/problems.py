"""One shape for every error: problem+json (RFC 9457), or a page or an OperationOutcome with the same words.

Nothing that was sent is sent back: a problem names the place and the rule. What is not yours and
what does not exist get the same bytes.
"""

from collections.abc import Collection, Sequence
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.fhir import outcomes
from api.identity.jwks import IssuerUnavailable
from api.limits import NoMoreCodes, TooMany, TooManyFiles
from api.uploads import TooLarge
from infra.errors import (
    CloisterError,
    DatabaseUnavailable,
    Gone,
    InvalidInput,
    KeysUnavailable,
    Misplaced,
    NotRecorded,
    NotThere,
    Refused,
    Stale,
)

MEDIA_TYPE = "application/problem+json"
# What a place begins with: a part of the request, or the profile of whom it is about.
ORIGINS = frozenset({"body", "path", "query", "header", "profile"})
FOR_PROGRAMS = ("/v1/", outcomes.BASE, "/.well-known/", "/healthz", "/metrics")


class Fault(BaseModel):
    """Where a request is wrong, and the rule that it breaks."""

    place: str = Field(
        description="`body`, `path`, `query`, `header` or `profile`, and the names in it from outside in, with points."
    )
    rule: str
    detail: str | None = Field(default=None, description="The same for people, where there is more to say.")


class Problem(BaseModel):
    """What every error is answered with (RFC 9457)."""

    type: str
    title: str
    status: int
    errors: list[Fault] | None = None


class NotSignedIn(CloisterError):
    """No credentials, or none that are good (any longer)."""


class CodeNeeded(NotSignedIn):
    """The password is right, and a code is asked for as well."""


class NotAcceptable(Misplaced):
    """None of the formats that the request takes; `detail` names those that there are."""


class FromElsewhere(CloisterError):
    """A form that another site's page sent."""


class Failed(CloisterError):
    """Something broke that is nobody's input."""


KINDS: dict[type[CloisterError], tuple[int, str, str]] = {
    NotSignedIn: (401, "not-signed-in", "Sign in to see this."),
    CodeNeeded: (401, "code-needed", "Sign in with a code as well; set codes up on the sign-in page."),
    FromElsewhere: (403, "from-elsewhere", "This was sent from a page of another site."),
    TooManyFiles: (429, "too-many-files", "Other files are still being read. Try again in a moment."),
    NoMoreCodes: (429, "no-more-codes", "No more codes can be sent for now. Book by the clinic's other ways."),
    TooMany: (429, "too-many", "Too many requests. Try again in a moment."),
    IssuerUnavailable: (503, "issuer-unavailable", "The issuer of this token does not answer now."),
    NotThere: (404, "not-there", "There is nothing here."),
    NotAcceptable: (406, "not-acceptable", "This is not given in any of the formats that were asked for."),
    Gone: (410, "gone", "This is not kept any longer."),
    TooLarge: (413, "too-large", "The request is too large."),
    InvalidInput: (422, "invalid-input", "Something in the request is not valid."),
    Stale: (412, "changed-meanwhile", "Somebody else changed this since it was read."),
    Refused: (409, "refused", "This cannot be done now."),
    NotRecorded: (503, "not-recorded", "The access could not be recorded, so nothing was done."),
    DatabaseUnavailable: (503, "unavailable", "The service cannot answer now."),
    KeysUnavailable: (503, "unavailable", "The service cannot answer now."),
    Failed: (500, "failed", "Something went wrong on our side."),
}
BY_STATUS: dict[int, type[CloisterError]] = {401: NotSignedIn, 404: NotThere, 422: InvalidInput}
TITLES = {
    405: ("method-not-allowed", "This cannot be done here."),
    408: ("too-slow", "The request took too long to arrive."),
    413: ("too-large", "The request is too large."),
    415: ("unsupported-content", "This kind of content is not taken here."),
}


# What an operation may answer besides what it is asked for; the envelope's own answers included.
_DOCUMENTED = {
    401: "Not signed in, or no good credentials.",
    404: "Not there, or not yours.",
    409: "Not now, or not like this.",
    413: "Too large.",
    415: "A kind of content that is not taken.",
    422: "Not valid; names the place and the rule.",
    429: "Too many requests; `Retry-After` says when to come again.",
    503: "The service cannot answer or record now.",
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": text,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, text in _DOCUMENTED.items()
}


def documented(status: int, text: str) -> dict[int | str, dict[str, Any]]:
    """A problem that an operation may answer with besides those of every operation."""
    return {status: {**RESPONSES[404], "description": text}}


def problem(status: int, kind: str, title: str, errors: Sequence[dict[str, str]] = ()) -> dict[str, Any]:
    """The body of a problem."""
    body: dict[str, Any] = {"type": f"urn:cloister:problem:{kind}", "title": title, "status": status}
    return {**body, "errors": list(errors)} if errors else body


def placed(place: str, path_params: Collection[str] = ()) -> str:
    """A place as every problem says it; one that names no part of the request is in its path, or else in its body."""
    first = place.partition(".")[0]
    if first in ORIGINS:
        return place
    return f"path.{place}" if first in path_params else f"body.{place}"


def of(error: CloisterError | HTTPException, path_params: Collection[str] = ()) -> dict[str, Any]:
    """The problem that an error is; `path_params` are the names that the request's path has."""
    if isinstance(error, HTTPException):
        if error.status_code in BY_STATUS:
            return problem(*KINDS[BY_STATUS[error.status_code]])
        return problem(error.status_code, *TITLES.get(error.status_code, ("refused", "The request was refused.")))
    status, kind, title = next((KINDS[k] for k in type(error).__mro__ if k in KINDS), KINDS[Failed])
    if isinstance(error, Misplaced) and error.place:
        detail = {"detail": error.detail} if error.detail else {}
        place = placed(error.place, path_params)
        return problem(status, kind, title, [{"place": place, "rule": error.rule, **detail}])
    return problem(status, kind, title)


def headers_of(error: CloisterError | HTTPException) -> dict[str, str]:
    """What an error says in headers, such as when to come again."""
    if isinstance(error, TooMany):
        return {"retry-after": str(error.retry_after)}
    return dict(error.headers or {}) if isinstance(error, HTTPException) else {}


def install(app: FastAPI) -> None:
    """Make the app answer every error with a problem."""

    async def known(request: Request, error: Exception) -> Response:
        found = error if isinstance(error, CloisterError | HTTPException) else Failed("")
        return respond(request, of(found, request.path_params), headers_of(found))

    async def invalid(request: Request, error: Exception) -> Response:
        found = error.errors() if isinstance(error, RequestValidationError) else []
        errors = [{"place": _place(item), "rule": item["type"]} for item in found]
        return respond(request, problem(*KINDS[InvalidInput], errors))

    async def database(request: Request, _error: Exception) -> Response:
        return respond(request, problem(*KINDS[DatabaseUnavailable]))

    described = app.openapi

    def with_problems() -> dict[str, Any]:
        document = described()
        components = document.setdefault("components", {}).setdefault("schemas", {})
        found = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        components.update(found.pop("$defs"), Problem=found)
        return document

    app.openapi = with_problems  # type: ignore[method-assign]  # as FastAPI's documents say to extend it
    app.add_exception_handler(CloisterError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, known)
    app.add_exception_handler(psycopg.Error, database)


def _place(fault: dict[str, Any]) -> str:
    """Where a fault is; the name of a field that is none of ours is not said back."""
    path = fault["loc"][:-1] if fault["type"] == "extra_forbidden" else fault["loc"]
    return ".".join(str(part) for part in path)


def respond(request: Request, body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """A problem as JSON to programs, as a page to browsers; a page that needs a sign-in leads there."""
    if not request.url.path.startswith(FOR_PROGRAMS) and "text/html" in request.headers.get("accept", ""):
        if body["status"] == 401:
            needs_code = body["type"].endswith(":code-needed")
            return RedirectResponse("/sign-in/code" if needs_code else "/sign-in", 303)
        page: Response = request.app.state.error_page(request, body)
        page.headers.update(headers or {})
        return page
    extra = {"www-authenticate": "Bearer"} if body["status"] == 401 else {}
    content, media_type = written(request.url.path, body)
    return JSONResponse(content, body["status"], {**(headers or {}), **extra}, media_type)


def written(path: str, body: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """A problem as programs get it at a path, and its media type."""
    # A batch is sent to the base itself, which ends without a slash.
    of_fhir = f"{path}/".startswith(outcomes.BASE)
    return (outcomes.outcome(body), outcomes.MEDIA_TYPE) if of_fhir else (body, MEDIA_TYPE)
