"""Verifications as they are asked for. What is answered says nothing about who was known before."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from api.editing.schemas import BirthDate
from policies.written import Written

Name = Annotated[str, Field(max_length=200)]


class BookedFor(StrEnum):
    """Whom a booking was for, as whoever holds the contact says."""

    SELF = "self"
    DEPENDENT = "dependent"
    SOMEONE_NEW = "someone_new"


class Answer(Written):
    """The code that went to the contact, and whom the booking was for."""

    code: str = Field(default="", max_length=40, description="Six digits.")
    booked_for: BookedFor = Field(
        default=BookedFor.SELF,
        description="`self`: whose contact it is; `dependent`: somebody they care for; `someone_new`: another person"
        " who shares the contact. Of no meaning where an account changes its own contact.",
    )
    dependent: UUID | None = Field(
        default=None, description="`dependent`: the id of one whom the account has already, if it is one of these."
    )
    relationship: Name = Field(default="", description="`dependent`, unless named by id: such as `parent`.")
    holder_name: Name = Field(default="", description="`dependent`, unless named by id: whose contact it is.")
    birth_date: BirthDate | None = Field(
        default=None, description="`dependent`, unless named by id: theirs. Adults agree themselves, and are refused."
    )


class Starting(Written):
    """Where the code goes by which a patient has an account of their own."""

    email: str = Field(default="", max_length=320)


class Verified(BaseModel):
    """Done: what there is to know about it comes to the contact."""

    status: str = "verified"


class Forgotten(Written):
    """Whose password is forgotten: the email that signs in."""

    email: str = Field(default="", max_length=320)


class LinkSent(BaseModel):
    """A link is on its way, if an account has proven this email and not too many were sent already."""

    status: str = "sent"


class CodeSent(BaseModel):
    """A new code is on its way, unless too many were sent to the contact already; the old one is dead."""

    status: str = "sent"
