"""What patients, guardians and staff bring to a clinic, and who of it reads that.

Nothing is kept of a preview; what is kept is what a preview showed, by its digest.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from api.gateway import Access, Caller, Work
from api.handovers import repository
from api.handovers.examining import Examined, check_person, digest_of, examine, preview_of
from api.handovers.schemas import (
    BroughtContent,
    BroughtRecord,
    BroughtRecords,
    Channel,
    OwnBroughtRecord,
    OwnBroughtRecords,
    Preview,
)
from api.me.service import person_of
from api.profiles.service import as_id
from api.services import Services
from api.uploads import Upload
from infra.encryption.codec import Place
from infra.encryption.data_keys import stored_keys
from infra.errors import InvalidInput, Refused
from infra.exports.archive import unpack
from infra.exports.verify import Verified
from policies.access.model import Resource
from policies.classification import ProfileField, is_contact, needs_consent
from policies.fhir.withheld import without_profile
from policies.words import Action

_OWN = frozenset({"records", "body"})
_OF_PATIENT = frozenset({"patient_id", "records"})
_PROFILE = frozenset(field for field in ProfileField if needs_consent(field) and not is_contact(field))
_WHOLE = _OF_PATIENT | _PROFILE | {"name", "body", *filter(is_contact, ProfileField)}


@dataclass(frozen=True)
class Kept:
    """A brought record, and whether it is new."""

    record: BroughtRecord
    is_new: bool


async def preview_own(
    serving: Services, caller: Caller, clinic: str | None, upload: Upload, dependent: str | None = None
) -> Preview:
    """What the caller would bring to a clinic, for themselves or a dependent.

    Raises:
        NotThere: no such dependent of today, or no patient of that clinic.
        InvalidInput: no clinic is named; no export, altered, expired, too large, of no trusted issuer, or of another
            person.
    """
    examined = await examine(serving, upload)
    action = Action.OWN_HANDOVER_PREVIEW
    async with serving.gateway.work(caller, Access(action, person_of(caller, dependent), _OWN)) as work:
        at = _named(clinic)
        row = await repository.whose(work, action, as_id(dependent or ""), at, own=dependent is None)
        found = _of_person(serving, examined, row)
        already = await repository.brought(work, row["patient_id"], digest_of(found), _channel(dependent))
        return preview_of(found, already, shared=True)


async def bring_own(
    serving: Services,
    caller: Caller,
    clinic: str | None,
    upload: Upload,
    digest: str | None,
    dependent: str | None = None,
) -> Kept:
    """Bring an export to a clinic, as a preview showed it.

    Raises:
        NotThere: no such dependent of today, or no patient of that clinic.
        InvalidInput: as for the preview; or it is not said which one was shown.
        Refused: another one was shown.
    """
    examined = await examine(serving, upload)
    action = Action.OWN_HANDOVER_BRING
    async with serving.gateway.work(caller, Access(action, person_of(caller, dependent), _OWN)) as work:
        at = _named(clinic)
        row = await repository.whose(work, action, as_id(dependent or ""), at, own=dependent is None)
        found = _of_person(serving, examined, row)
        return await _kept(serving, work, found, row, digest, _channel(dependent))


async def preview(serving: Services, caller: Caller, clinic: str, patient: str, upload: Upload) -> Preview:
    """What staff would receive of a patient; nothing of the profile unless it is shared with the clinic.

    Raises:
        NotThere: no such patient, or not of the caller's clinic.
        InvalidInput: no export, altered, expired, too large, of no trusted issuer, or of another person.
    """
    examined = await examine(serving, upload)
    access = Access(Action.HANDOVER_PREVIEW, Resource(clinic, patient=True), _OF_PATIENT | _PROFILE)
    async with serving.gateway.work(caller, access) as work:
        row = await repository.registered(work, access.action, as_id(patient))
        found = _of_person(serving, examined, row)
        already = await repository.brought(work, row["patient_id"], digest_of(found), Channel.STAFF)
        return preview_of(found, already, shared=row["shared"])


async def receive(
    serving: Services, caller: Caller, clinic: str, patient: str, upload: Upload, digest: str | None
) -> Kept:
    """Keep what a patient brought to the desk, as a preview showed it.

    Raises:
        NotThere: no such patient, or not of the caller's clinic.
        InvalidInput: as for the preview; or it is not said which one was shown.
        Refused: another one was shown.
    """
    examined = await examine(serving, upload)
    access = Access(Action.HANDOVER_RECEIVE, Resource(clinic, patient=True), _OF_PATIENT)
    async with serving.gateway.work(caller, access) as work:
        row = await repository.registered(work, access.action, as_id(patient))
        found = _of_person(serving, examined, row)
        return await _kept(serving, work, found, row, digest, Channel.STAFF)


async def list_brought(serving: Services, caller: Caller, clinic: str, patient: str) -> BroughtRecords:
    """What a patient brought to the clinic: from where and when, and nothing of what is in it.

    Raises:
        NotThere: no such patient, not of the caller's clinic, or of a specialist's who does not treat them.
    """
    access = Access(Action.HANDOVER_LIST, Resource(clinic, patient=True), _OF_PATIENT)
    grant = await serving.gateway.person(caller, access)
    rows = await repository.of_patient(grant, as_id(patient))
    return BroughtRecords(records=[BroughtRecord.model_validate(row) for row in rows])


async def list_own(serving: Services, caller: Caller, dependent: str | None = None) -> OwnBroughtRecords:
    """What the caller brought to clinics; for a dependent, what the caller did.

    Raises:
        NotThere: the caller is no patient; no such dependent, or not the caller's today.
    """
    access = Access(Action.OWN_HANDOVER_LIST, person_of(caller, dependent), frozenset({"records"}))
    grant = await serving.gateway.person(caller, access)
    rows = await repository.own_list(grant, as_id(dependent or ""), own=dependent is None)
    return OwnBroughtRecords(records=[OwnBroughtRecord.model_validate(row) for row in rows])


async def read(serving: Services, caller: Caller, clinic: str, handover: str) -> BroughtContent:
    """What is in a record that a patient of the caller's brought; of the profile only while it is shared.

    Raises:
        NotThere: no such record, or not of a patient whom the caller treats.
    """
    access = Access(Action.HANDOVER_READ, Resource(clinic, patient=True), _WHOLE)
    row = await repository.content(await serving.gateway.person(caller, access), as_id(handover))
    place = Place(repository.TABLE, "content", str(row["id"]))
    archive = serving.codec.open(stored_keys(row), place, row["content"])
    bundle = await asyncio.to_thread(_bundle, archive, shared=row["shared"])
    return BroughtContent.model_validate({**row, "profile_shared": row["shared"], "bundle": bundle})


def _bundle(archive: bytes, *, shared: bool) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(unpack(archive).bundle)
    return found if shared else without_profile(found)


def _channel(dependent: str | None) -> Channel:
    return Channel.PATIENT if dependent is None else Channel.GUARDIAN


def _named(clinic: str | None) -> str:
    if clinic is None:
        raise InvalidInput("to which clinic", place="query.clinic", rule="missing")
    return clinic


def _of_person(serving: Services, examined: Examined, row: dict[str, Any]) -> Verified:
    found = examined.good()
    check_person(serving, found, row)
    return found


async def _kept(
    serving: Services, work: Work, found: Verified, row: dict[str, Any], shown: str | None, channel: Channel
) -> Kept:
    """The record of a good export; the one that is there already where it was brought before."""
    if shown is None:
        raise InvalidInput("which one was shown", place="query.digest", rule="missing")
    if shown != digest_of(found):
        raise Refused("another one was shown", place="query.digest", rule="another_export")
    there = await repository.brought(work, row["patient_id"], shown, channel)
    kept = there or await repository.store(work, serving.codec, row["patient_id"], found, channel)
    return Kept(BroughtRecord.model_validate(kept), is_new=there is None)
