"""Consents and their texts as the API takes and shows them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.bodies import Moment
from policies.consent import ConsentState
from policies.words import ConsentPurpose
from policies.written import Written

Version = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the text's UTF-8 bytes, as hex.")]


class ConsentText(BaseModel):
    """The newest text of a clinic for a purpose: what is signed next."""

    text_version: str
    body: str
    sha256: Digest
    required_from: datetime | None = Field(description="Since when a signature of an older text does not do.")


class Consent(BaseModel):
    """What one person's events for one clinic and purpose add up to."""

    clinic: str
    purpose: ConsentPurpose
    state: ConsentState
    event: UUID | None = Field(description="The newest event, by which `…/receipt` is asked for.")
    text_version: str | None = Field(description="Of the newest event; null where there is none.")
    occurred_at: datetime | None
    signed_by: str | None = Field(description="`self` or `guardian`: in whose hand the newest event is.")
    channel: str | None
    ends_at: datetime | None = Field(description="When the signature ends by itself, as far as that is known.")
    registered: bool = Field(description="Whether they are a patient there: what is not can be revoked, not signed.")
    text: ConsentText | None = Field(description="The newest text; null where the clinic has none, or nobody can sign.")
    has_newer_text: bool = Field(description="Whether it stands, and `text` is newer than the one that was signed.")


class Consents(BaseModel):
    """Every clinic of the person, each purpose; of a clinic that they are no patient of any more, what was signed."""

    at: datetime
    consents: list[Consent]


class Signing(Written):
    """What is signed: the newest text, and the digest of what was shown."""

    model_config = ConfigDict(extra="forbid")

    clinic: str = Field(max_length=40)
    purpose: ConsentPurpose
    text_version: Version
    sha256: Digest
    expires_at: Moment | None = None


class Revoking(Written):
    """What is revoked."""

    model_config = ConfigDict(extra="forbid")

    clinic: str = Field(max_length=40)
    purpose: ConsentPurpose


class Recorded(BaseModel):
    """The event that was appended."""

    id: UUID


class StandingConsent(BaseModel):
    """Whether a patient's consent stands now, as their clinic learns it: no text, signer or date."""

    purpose: ConsentPurpose
    stands: bool


class StandingConsents(BaseModel):
    """Each purpose."""

    consents: list[StandingConsent]


class Publishing(Written):
    """A new version of a text, never changed again: whoever signed an older one is asked to sign it."""

    model_config = ConfigDict(extra="forbid")

    purpose: ConsentPurpose
    text_version: Version
    body: str = Field(min_length=1, max_length=20_000)
    required_from: Moment | None = Field(
        default=None,
        description="From then on consents to older texts do not do; not in the past. Null: they stand as they are.",
    )


class PublishedText(BaseModel):
    """A version of a text of the clinic."""

    purpose: ConsentPurpose
    text_version: str
    sha256: Digest
    created_at: datetime
    required_from: datetime | None
    imported: bool = Field(description="Whether an import brought it: it says what was signed, and is not offered.")


class PublishedTexts(BaseModel):
    """All versions, the newest first."""

    texts: list[PublishedText]
