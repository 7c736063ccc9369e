"""What people sign and revoke for themselves and their dependents, and what a clinic asks and publishes."""

from datetime import UTC, datetime
from typing import Any

from api.bodies import given
from api.consents import repository
from api.consents.schemas import (
    Consent,
    Consents,
    PublishedText,
    PublishedTexts,
    Publishing,
    Recorded,
    Revoking,
    Signing,
    StandingConsent,
    StandingConsents,
)
from api.gateway import Access, Caller
from api.me.service import person_of
from api.profiles.service import as_id
from api.services import Services
from infra.errors import InvalidInput, NotThere, Refused
from policies.access.model import Resource
from policies.consent import ConsentEvent, ConsentState, state
from policies.words import Action, ConsentKind


async def list_consents(
    serving: Services, caller: Caller, at: datetime | None, dependent: str | None = None
) -> Consents:
    """What the caller or a dependent has signed, as it stood `at` a time, or stands now.

    Raises:
        NotThere: no such dependent, or not the caller's today.
    """
    grant = await serving.gateway.person(caller, Access(Action.CONSENT_LIST, person_of(caller, dependent)))
    row = await repository.of_person(grant, as_id(dependent or ""), at, own=dependent is None)
    return Consents(at=row["at"], consents=[_consent(found, row["at"]) for found in row["consents"]])


async def sign(serving: Services, caller: Caller, asked: Signing | None, dependent: str | None = None) -> Recorded:
    """Sign the newest text of a clinic, as it was shown.

    Raises:
        NotThere: no such dependent of today, or no patient of that clinic.
        InvalidInput: nothing was sent, or an end that is over.
        Refused: there is a newer text, or none, or the text is not what was shown.
    """
    async with serving.gateway.work(caller, Access(Action.CONSENT_SIGN, person_of(caller, dependent))) as work:
        signing = given(asked)
        if signing.expires_at and signing.expires_at <= datetime.now(UTC):
            raise InvalidInput("is over", place="body.expires_at", rule="past")
        found = await repository.find(
            work, Action.CONSENT_SIGN, as_id(dependent or ""), signing.clinic, own=dependent is None
        )
        _check_text(signing, await repository.newest_text(work, found["clinic_id"], signing.purpose))
        event = await repository.sign(
            work,
            clinic_id=found["clinic_id"],
            person_id=found["person_id"],
            purpose=signing.purpose,
            text_version=signing.text_version,
            channel="app",
            place="body.text_version",
            expires_at=signing.expires_at,
        )
    return Recorded(id=event)


async def revoke(serving: Services, caller: Caller, asked: Revoking | None, dependent: str | None = None) -> Recorded:
    """Revoke a consent: from the commit on nobody of the clinic reads the profile.

    Raises:
        NotThere: no such dependent of today, or neither a patient of that clinic nor anything signed there.
        InvalidInput: nothing was sent.
        Refused: nothing is signed.
    """
    async with serving.gateway.work(caller, Access(Action.CONSENT_REVOKE, person_of(caller, dependent))) as work:
        revoking = given(asked)
        found = await repository.find(
            work, Action.CONSENT_REVOKE, as_id(dependent or ""), revoking.clinic, own=dependent is None
        )
        event = await repository.revoke(
            work, clinic_id=found["clinic_id"], person_id=found["person_id"], purpose=revoking.purpose
        )
    return Recorded(id=event)


async def check(serving: Services, caller: Caller, clinic: str | None, patient: str) -> StandingConsents:
    """Whether a patient's consents stand now.

    Raises:
        NotThere: no such patient, or not the caller's to ask for.
    """
    async with serving.gateway.open(caller, Access(Action.CONSENT_CHECK, Resource(clinic, patient=True))) as grant:
        rows = await repository.standing(grant, as_id(patient))
    return StandingConsents(consents=[StandingConsent(purpose=row["purpose"], stands=row["stands"]) for row in rows])


async def list_texts(serving: Services, caller: Caller, clinic: str) -> PublishedTexts:
    """Every version of a clinic's texts.

    Raises:
        NotThere: not the caller's to ask for.
    """
    async with serving.gateway.open(caller, Access(Action.CONSENT_TEXT_LIST, Resource(clinic))) as grant:
        rows = await repository.texts(grant)
    return PublishedTexts(texts=[PublishedText(**row) for row in rows])


async def publish(serving: Services, caller: Caller, clinic: str, asked: Publishing | None) -> PublishedText:
    """Publish a new version of a text: whoever signed an older one is asked to sign again.

    Raises:
        NotThere: not the caller's to do.
        InvalidInput: nothing was sent.
        Refused: the version exists.
    """
    async with serving.gateway.work(caller, Access(Action.CONSENT_TEXT_PUBLISH, Resource(clinic))) as work:
        text = given(asked)
        if work.clinic is None:
            raise NotThere("no such thing")
        clinic_id = work.clinic.clinic_id
        row = await repository.publish(work, clinic_id=clinic_id, **text.model_dump())
        asked_again = await repository.ask_again(
            work, clinic_id=clinic_id, purpose=text.purpose, published_at=row["created_at"]
        )
        await work.record(*asked_again)
    return PublishedText(**row)


def _check_text(signing: Signing, newest: dict[str, Any] | None) -> None:
    if newest is None or newest["text_version"] != signing.text_version:
        raise Refused("this is not the newest text", place="body.text_version", rule="not_the_newest")
    if newest["sha256"] != signing.sha256:
        raise Refused("this is not what the text says", place="body.sha256", rule="another_text")


def _consent(row: dict[str, Any], at: datetime) -> Consent:
    occurred_at, *ends = (_time(row.pop(name)) for name in ("occurred_at", "expires_at", "outdated_at", "lapses_at"))
    kind, newer = row.pop("kind"), row.pop("has_newer_text")
    events = [ConsentEvent(ConsentKind(kind), occurred_at, *ends)] if occurred_at else []
    stands = state(events, at)
    has_newer_text = bool(newer) and stands is ConsentState.SIGNED
    return Consent(**row, occurred_at=occurred_at, state=stands, has_newer_text=has_newer_text)


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
