"""How the platform is, as admins see it."""

from datetime import date, datetime

from pydantic import BaseModel, Field


class ClinicHealth(BaseModel):
    """How far a clinic's mart is behind, and how its last build went."""

    clinic: str
    name: str
    waiting_changes: int
    lag_seconds: float = Field(description="How long the oldest of them has waited.")
    last_lag_seconds: float = Field(description="How long the change had waited that was dealt with last.")
    dead_changes: int = Field(description="Changes that the mart refused.")
    stale_patients: int = Field(description="How many patients these are of.")
    unfinished_consents: int = Field(description="Consents that began or ended, and whose receipt is due.")
    broken_segments: list[str] = Field(description="Segments whose rules do not compile, or cannot be evaluated.")
    as_of: date | None
    built_at: datetime | None
    failed_model: str | None = Field(description="What of the newest run failed there; null if nothing did.")
    failed_by: str | None = Field(description="SQLSTATE, and the constraint if there is one.")


class CheckHealth(BaseModel):
    """What one check of the data said of one clinic when it last looked: counts, of no patient."""

    clinic: str
    name: str
    asset: str = Field(description="What was checked, such as `appointments`.")
    check: str
    passed: bool
    broken: dict[str, int] = Field(description="How often each rule is broken, or each segment's members differ.")
    found_at: datetime
    failing_since: datetime | None = Field(description="Since when, without a pass in between; null if it passed.")


class SealedLog(BaseModel):
    """The newest checkpoint of one log."""

    log: str
    size: int
    signed_at: datetime


class Health(BaseModel):
    """How the platform is now."""

    live_workers: int
    clinics: list[ClinicHealth]
    checks: list[CheckHealth] = Field(description="The newest verdict of each check of each clinic, what fails first.")
    sealed: list[SealedLog]
