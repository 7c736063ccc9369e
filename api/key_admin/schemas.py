"""API keys as admins see and make them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from api.system_keys import KEY_DAYS, OVERLAP_DAYS
from policies.words import Purpose
from policies.written import Written

Days = Annotated[int, Field(ge=1, le=3660, description="Days that the key is good for.")]
Named = Annotated[str, Field(max_length=60)]


class ListedKey(BaseModel):
    """A key without its secret, which nobody has but its owner."""

    prefix: str
    login: str
    purpose: Purpose
    fields: list[str]
    segments: list[str] | None = Field(description="Segments that it reads; null: all.")
    expires_at: datetime
    last_used_at: datetime | None
    state: str = Field(description="good, replaced, expired or revoked.")


class Keys(BaseModel):
    """A clinic's keys by login, ended ones as well."""

    keys: list[ListedKey]


class NewKey(Written):
    """A key to be made for a system, which is made as well if there is none of that login."""

    login: str = Field(default="", max_length=200)
    fields: Annotated[list[Named], Field(max_length=40)] = Field(
        default_factory=list, description="What it reads besides `patient_id`; `bookings`: it books."
    )
    segments: Annotated[list[Named], Field(max_length=200)] | None = Field(
        default=None, description="Segments that it reads; null: all."
    )
    purpose: Purpose = Purpose.OPERATIONS
    days: Days = KEY_DAYS


class Renewal(Written):
    """How long the new key is good, and the old one beside it."""

    overlap_days: Annotated[int, Field(ge=0, le=90)] = OVERLAP_DAYS
    days: Days = KEY_DAYS


class FreshKey(BaseModel):
    """A new key: it is not shown again."""

    prefix: str
    key: str
