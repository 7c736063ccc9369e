"""Campaigns as the API takes and shows them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.segments.schemas import Count
from policies.text import fault_of_identifier, fault_of_plain_text
from policies.written import Written

LONGEST_SUBJECT = 120
LONGEST_TEXT = 4_000


def _subject(text: str) -> str:
    found = text.strip()
    if not found or fault_of_identifier(found):
        raise ValueError("one line of text")
    return found


def _text(text: str) -> str:
    found = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not found or fault_of_plain_text(found):
        raise ValueError("plain text")
    return found


class NewCampaign(Written):
    """What is sent, as plain text: the same to everybody, without a name. Braces and the like mean nothing."""

    model_config = ConfigDict(extra="forbid")

    subject: Annotated[str, Field(max_length=LONGEST_SUBJECT), AfterValidator(_subject)]
    text: Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_text)]


class Contactable(BaseModel):
    """How many would get the message, and by what. Nothing can be sent to a phone."""

    email: Count
    guardian: Count = Field(description="Of dependents without an account: by the email of a guardian.")


class Withheld(BaseModel):
    """How many would not, each by the first reason that holds."""

    deleted: Count
    no_profile_sharing: Count
    no_communications: Count
    unsubscribed: Count = Field(description="By the link of a message, since they signed for communications.")
    no_contact: Count


class Audience(BaseModel):
    """Whom a message to a segment would reach now."""

    segment: str
    matched: Count = Field(description="Present members.")
    contactable: Contactable
    withheld: Withheld
    rounded: bool = Field(description="Down to tens, each count by itself: for who may not list the members.")


class Preview(BaseModel):
    """A message as it would arrive, and whom it would reach."""

    audience: Audience
    subject: str
    text: str = Field(description="With the line that every message ends in; the link is made up.")


class Progress(BaseModel):
    """How far a campaign is: patients, each once."""

    matched: int
    waiting: int
    sent: int
    stopped: int
    failed: int = Field(description="Refused by mail servers, tried in vain, or cut off so that nobody knows.")
    withheld: Withheld


class Campaign(BaseModel):
    """One message to a segment."""

    id: UUID
    segment: str
    subject: str
    text: str
    started_at: datetime
    started_by: str | None = Field(description="Login.")
    stopped_at: datetime | None
    progress: Progress


class Campaigns(BaseModel):
    """The messages to a segment, the newest first."""

    campaigns: list[Campaign]


class Started(BaseModel):
    """A campaign that is on its way."""

    id: UUID
