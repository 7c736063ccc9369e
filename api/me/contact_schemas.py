"""Contacts of one's own account as the API takes and shows them."""

from uuid import UUID

from pydantic import BaseModel, Field

from policies.written import Written


class Changing(Written):
    """What to change; what is left out stays."""

    email: str | None = Field(default=None, max_length=320)
    phone: str | None = Field(default=None, max_length=60, description="In international form: `+55 27 99912-3456`.")


class OwnContact(BaseModel):
    """One contact, and whether a code has proven it."""

    value: str
    verified: bool


class OwnContacts(BaseModel):
    """Contacts of an account."""

    email: OwnContact | None
    phone: OwnContact | None
    verification: UUID | None = Field(
        default=None, description="Of the new email: answer it at `POST /v1/verifications/{verification}`."
    )
