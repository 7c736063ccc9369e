"""The application: one version of the API under /v1, FHIR under /fhir, the pages, and what surrounds them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute

from api import metrics, problems
from api.account_admin.routes import router as accounts
from api.appointments.routes import router as appointments
from api.audit.batch_routes import router as audit_batches
from api.audit.proof_routes import router as proofs
from api.audit.review_routes import router as audit_reviews
from api.audit.routes import router as audit
from api.bookings.releasing import keep_releasing
from api.bookings.routes import router as bookings
from api.briefs.routes import router as briefs
from api.campaigns.routes import router as campaigns
from api.clinic_settings.routes import router as clinic_settings
from api.clinics.routes import router as clinics
from api.confidential.routes import router as confidential
from api.consents.receipt_routes import router as receipts
from api.consents.routes import router as consents
from api.deletions.routes import router as deletions
from api.editing.routes import router as editing
from api.envelope import Envelope
from api.exports.routes import router as exports
from api.families.routes import router as families
from api.fhir.routes import router as fhir
from api.forms.routes import router as forms
from api.guard import clean_texts
from api.handovers.routes import router as handovers
from api.health.routes import router as platform_health
from api.identity.routes import published
from api.identity.routes import router as identity
from api.impersonations.routes import router as impersonations
from api.key_admin.routes import router as keys
from api.legal_guardians.routes import router as legal_guardians
from api.limits import Buckets, Rates
from api.me.contact_routes import router as own_contacts
from api.me.routes import router as me
from api.merges.routes import router as merges
from api.messages.routes import router as messages
from api.messages.sender import Post
from api.overviews.routes import router as overviews
from api.pages.setup import add_routes as add_page_routes
from api.pages.setup import install as install_pages
from api.plans.routes import router as plans
from api.profiles.routes import router as profiles
from api.quarantine.routes import router as quarantine
from api.routers import AllUnder
from api.segments.all_routes import ROUTERS as SEGMENTS
from api.services import Services
from api.templates.routes import router as templates
from api.verifications.routes import router as verifications
from api.webhooks.routes import router as webhooks
from infra.database import Server, server
from infra.settings import settings

health = APIRouter()


@health.get("/healthz", include_in_schema=False)
async def healthz(request: Request) -> JSONResponse:
    """Whether the service answers and reaches its database."""
    async with request.app.state.services.pool.connection() as connection:
        await connection.execute("select 1")
    return JSONResponse({"status": "ok"})


@asynccontextmanager
async def meanwhile(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have work that never ends go on until the block ends."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def sending(post: Post | None) -> AsyncIterator[None]:
    """Send messages meanwhile, if there is a post."""
    if post is None:
        yield
        return
    async with post.pool, meanwhile(post.keep_sending()):
        yield


# Of the API under `/v1`.
ROUTERS = (
    identity, clinics, overviews, *SEGMENTS, profiles, me, own_contacts, editing, consents, receipts, families,
    bookings, appointments, templates, forms, plans, briefs, confidential, messages, campaigns, deletions,
    impersonations, audit, audit_reviews, audit_batches, proofs, verifications, merges, webhooks, exports,
    handovers, quarantine, platform_health, accounts, keys, clinic_settings, legal_guardians,
)  # fmt: skip


@cache
def routes() -> list[BaseRoute]:
    """All routes, put together once a process, and worked out here, so that no request waits for it."""
    served = APIRouter(dependencies=[Depends(clean_texts)])
    served.include_router(AllUnder("/v1/", ROUTERS), prefix="/v1", responses=problems.RESPONSES)
    served.include_router(fhir, prefix="/fhir")
    served.include_router(published)
    served.include_router(health)
    add_page_routes(served)
    deque(iter_route_contexts(served.routes), maxlen=0)
    return served.routes


def create_app(at: Server | None = None, rates: Rates | None = None, post: Post | None = None) -> FastAPI:
    """The application on one instance; how often it may be asked is the settings' to say, or `rates`.

    With a `post` it sends messages as well, as long as it runs.

    Raises:
        Misconfigured: the access policies are invalid, or a secret can be read by others.
        DatabaseUnavailable: no database, or not set up.
    """
    rates = rates or Rates.of(settings())
    at = at or server()
    services = Services.build(at, rates)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        releasing = meanwhile(keep_releasing(services.pool, services.codec))
        async with services.pool, meanwhile(services.signals.keep_listening()), releasing, sending(post):
            yield

    # No interactive documentation: it loads scripts from elsewhere.
    app = FastAPI(
        title="Cloister",
        version="1",
        lifespan=lifespan,
        routes=routes(),
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        dependencies=[Depends(clean_texts)],
        # A redirect would name whatever host the request did.
        redirect_slashes=False,
    )
    app.state.services = services
    app.add_middleware(Envelope, addresses=Buckets(rates.address), production=services.production)
    problems.install(app)
    metrics.install(app, at)
    install_pages(app)
    return app
