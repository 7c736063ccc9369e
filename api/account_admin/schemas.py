"""Accounts as admins see and change them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from policies.words import Role
from policies.written import Written


class HeldRole(BaseModel):
    """A role, and the clinic that it is held at; null for the platform's."""

    role: Role
    clinic: str | None = None


class Account(BaseModel):
    """An account of somebody who works here."""

    id: UUID
    login: str
    name: str
    roles: list[HeldRole]
    has_password: bool = Field(description="Without one it is for tokens of another issuer, or not in use yet.")
    has_codes: bool
    signed_in_at: datetime | None = Field(description="When a browser's session was last begun.")
    disabled_at: datetime | None


class Accounts(BaseModel):
    """Accounts by login; `next` is the login to go on after, null at the end."""

    accounts: list[Account]
    next: str | None


class RoleChange(Written):
    """A role of a clinic; those of the platform and of auditors are given on the command line."""

    role: str = Field(default="", max_length=40)
    clinic: str = Field(default="", max_length=60)


class NewAccount(RoleChange):
    """An account with its first role."""

    login: str = Field(default="", max_length=200)
    name: str = Field(default="", max_length=200)


class AddedAccount(BaseModel):
    """A fresh account, and the path of a page where its password is set: once, within three days."""

    id: UUID
    login: str
    password_path: str
