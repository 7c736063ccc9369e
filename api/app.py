"""The application: one version of the API under /v1, the pages, and what surrounds both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from api import problems
from api.appointments.routes import router as appointments
from api.audit.proof_routes import router as proofs
from api.audit.review_routes import router as audit_reviews
from api.audit.routes import router as audit
from api.bookings.routes import router as bookings
from api.briefs.routes import router as briefs
from api.clinics.routes import router as clinics
from api.confidential.routes import router as confidential
from api.consents.routes import router as consents
from api.deletions.routes import router as deletions
from api.editing.routes import router as editing
from api.envelope import Envelope
from api.families.routes import router as families
from api.forms.routes import router as forms
from api.guard import clean_texts
from api.identity.routes import published
from api.identity.routes import router as identity
from api.impersonations.routes import router as impersonations
from api.limits import Buckets, Rates
from api.me.contact_routes import router as own_contacts
from api.me.routes import router as me
from api.merges.routes import router as merges
from api.messages.routes import router as messages
from api.messages.sender import Post
from api.pages.setup import install as install_pages
from api.plans.routes import router as plans
from api.profiles.routes import router as profiles
from api.segments.all_routes import router as segments
from api.services import Services
from api.templates.routes import router as templates
from api.verifications.routes import router as verifications
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
async def sending(post: Post | None) -> AsyncIterator[None]:
    """Send messages meanwhile, if there is a post."""
    if post is None:
        yield
        return
    async with post.pool:
        task = asyncio.create_task(post.keep_sending())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def create_app(at: Server | None = None, rates: Rates | None = None, post: Post | None = None) -> FastAPI:
    """The application on one instance; how often it may be asked is the settings' to say, or `rates`.

    With a `post` it sends messages as well, as long as it runs.

    Raises:
        Misconfigured: the access policies are invalid, or a secret can be read by others.
        DatabaseUnavailable: no database, or not set up.
    """
    rates = rates or Rates.of(settings())
    services = Services.build(at or server(), rates)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with services.pool, sending(post):
            yield

    # No interactive documentation: it loads scripts from elsewhere.
    app = FastAPI(
        title="Cloister",
        version="1",
        lifespan=lifespan,
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
    for router in (
        identity, clinics, segments, profiles, me, own_contacts, editing, consents, families, bookings, appointments,
        templates, forms, plans, briefs, confidential, messages, deletions, impersonations, audit, audit_reviews,
        proofs, verifications, merges,
    ):  # fmt: skip
        app.include_router(router, prefix="/v1", responses=problems.RESPONSES)
    app.include_router(published)
    app.include_router(health)
    install_pages(app)
    return app
