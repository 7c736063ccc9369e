"""Webhooks as managers set them up, and what became of deliveries. Nothing here names a patient."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from policies.addresses import LONGEST_URL
from policies.written import Written

ChangeKind = Literal["entered", "left", "forget"]
State = Literal["pending", "delivered", "dead", "void"]
Url = Annotated[
    str, Field(min_length=1, max_length=LONGEST_URL, description="https, of a public address; shown to every manager.")
]
SegmentIds = Annotated[
    list[UUID] | None,
    Field(min_length=1, max_length=200, description="Ids of segments; null is all, those to come too."),
]
Kinds = Annotated[list[ChangeKind], Field(min_length=1, max_length=3)]


class NewWebhook(Written):
    """A webhook to be added."""

    model_config = ConfigDict(extra="forbid")

    url: Url
    segments: SegmentIds = None
    kinds: Kinds = Field(default=["entered", "left", "forget"])


class WebhookChange(Written):
    """What changes of a webhook; what is absent stays."""

    model_config = ConfigDict(extra="forbid")

    url: Url | None = None
    segments: SegmentIds = None
    kinds: Kinds | None = None


class Webhook(BaseModel):
    """A webhook, without its secret."""

    webhook_id: UUID
    url: str
    segments: list[UUID] | None
    kinds: list[ChangeKind]
    created_at: datetime
    disabled_at: datetime | None
    disabled_by: Literal["manager", "failures", "gone"] | None = Field(
        description="`failures`: it took nothing for days. `gone`: it answered 410."
    )
    failing_since: datetime | None = Field(description="Since when nothing was taken.")
    previous_until: datetime | None = Field(description="Until when the secret before signs as well.")
    waiting: int = Field(description="Deliveries that wait or are tried again.")
    dead: int = Field(description="Deliveries that were given up and can be sent again.")


class Webhooks(BaseModel):
    """The webhooks of a clinic."""

    clinic: str
    webhooks: list[Webhook]


class Secret(BaseModel):
    """A webhook's secret, which is shown this once."""

    webhook_id: UUID
    secret: str = Field(description="`whsec_…`, of Standard Webhooks.")


class Delivery(BaseModel):
    """One delivery. Whom it is about is in the access log."""

    delivery_id: UUID = Field(description="`webhook-id` of every attempt.")
    kind: Literal["entered", "left", "forget", "test"]
    state: State = Field(description="`void`: what it told is not to be told any more.")
    attempts: int
    created_at: datetime
    first_tried_at: datetime | None
    next_try_at: datetime | None
    ended_at: datetime | None
    answered: int | None = Field(description="HTTP status of the last answer.")
    failure: str | None = Field(description="Why the last attempt was not taken, as a word.")


class Deliveries(BaseModel):
    """A page of deliveries, the newest first."""

    deliveries: list[Delivery]
    next: str | None = Field(description="Cursor of the next page; null on the last.")


class Queued(BaseModel):
    """The delivery that will be sent."""

    delivery_id: UUID
