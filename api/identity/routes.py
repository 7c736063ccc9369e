"""Signing in to the API."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import BaseModel

from api.identity import signing_in
from api.identity.issuer import LIFETIME_SECONDS
from api.services import Serving

router = APIRouter(tags=["identity"])


class Token(BaseModel):
    """An access token (RFC 6749, section 5.1)."""

    access_token: str
    token_type: str = "Bearer"  # nosec B105: the name of a scheme
    expires_in: int = LIFETIME_SECONDS


@router.post("/token")
async def token(request: Request, serving: Serving, form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> Token:
    """An access token for a local account's login and password, good for one hour."""
    return Token(access_token=await signing_in.for_token(serving, request, form.username, form.password))


@router.get("/keys")
async def keys(serving: Serving) -> dict[str, object]:
    """The issuer's public keys, as a JSON Web Key Set."""
    return serving.issuer.public_keys()
