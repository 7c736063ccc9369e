"""Signing in to the API, and what others need to verify its tokens."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Form, Request
from fastapi.responses import JSONResponse
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import BaseModel, Field

from api.identity import password_links, signing_in
from api.identity.issuer import ALGORITHM, LIFETIME_SECONDS, PUBLISHED_SECONDS
from api.services import Serving
from policies.written import Written

router = APIRouter(tags=["identity"])
published = APIRouter(prefix="/.well-known", include_in_schema=False)
KEPT = {"cache-control": f"public, max-age={PUBLISHED_SECONDS}"}


class Token(BaseModel):
    """An access token (RFC 6749, section 5.1)."""

    access_token: str
    token_type: str = "Bearer"  # nosec B105 # the name of a scheme
    expires_in: int = LIFETIME_SECONDS


@router.post("/token")
async def token(
    request: Request,
    serving: Serving,
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    code: Annotated[str, Form(max_length=40, description="Of the authenticator app, or a recovery code.")] = "",
) -> Token:
    """An access token for a local account's login, password and, for admins and auditors, a code."""
    return Token(access_token=await signing_in.for_token(serving, request, form.username, form.password, code))


class NewPassword(Written):
    """A password for the account that a link was sent to."""

    token: str = Field(default="", max_length=100, description="The last part of the link.")
    password: str = Field(default="", max_length=1024, description="At least 10 characters.")


class PasswordSet(BaseModel):
    """Done: sign in with it and this login, or the email, unless an older account has proven that too."""

    status: str = "set"
    login: str


@router.post("/passwords")
async def set_password(
    request: Request, serving: Serving, asked: Annotated[NewPassword | None, Body()] = None
) -> PasswordSet:
    """Set a password with the link of a message. Wrong, used and too old are one answer."""
    given = asked or NewPassword()
    return PasswordSet(login=await password_links.set_password(serving, request, given.token, given.password))


@published.get("/jwks.json")
async def keys(serving: Serving) -> JSONResponse:
    """The issuer's public keys, as a JSON Web Key Set; new ones appear before they sign."""
    await serving.issuer.reload()
    return JSONResponse(serving.issuer.public_keys(), headers=KEPT, media_type="application/jwk-set+json")


@published.get("/openid-configuration")
async def configuration(serving: Serving) -> JSONResponse:
    """Who the issuer is and where its keys are (OpenID Connect Discovery 1.0, RFC 8414)."""
    name = serving.issuer.name
    found = {
        "issuer": name,
        "jwks_uri": f"{name}/.well-known/jwks.json",
        "token_endpoint": f"{name}/v1/token",
        "grant_types_supported": ["password"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "token_endpoint_auth_methods_supported": ["none"],
    }
    return JSONResponse(found, headers=KEPT)
