"""Impersonations as admins ask for them and see them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from policies.words import ImpersonationReason
from policies.written import Written


class Opening(Written):
    """Whom an admin would act as, why and for how long. What is missing here is refused, and recorded, as any other."""

    subject: str = Field(default="", max_length=200, description="Login of a patient or guardian.")
    reason: str = Field(default="", max_length=40, description=f"One of: {', '.join(ImpersonationReason)}.")
    ticket: str = Field(default="", max_length=64, description="Letters, digits and `._/#-`, such as `HELP-1234`.")
    minutes: int = Field(default=0, ge=0, le=1_000_000, description="1 to 60.")


class Opened(BaseModel):
    """A fresh impersonation and its token, which is shown once."""

    id: UUID
    access_token: str
    token_type: str = "Bearer"  # nosec B105 # the name of a scheme
    starts_at: datetime
    ends_at: datetime


class Impersonation(BaseModel):
    """A live impersonation."""

    id: UUID
    subject: str
    actor: str
    reason: str
    ticket: str
    starts_at: datetime
    ends_at: datetime


class Impersonations(BaseModel):
    """The live ones, the one that ends first before others."""

    impersonations: list[Impersonation]


class Ended(BaseModel):
    """An impersonation that was ended just now."""

    id: UUID
    ended_at: datetime
