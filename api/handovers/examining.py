"""What was sent, looked at: whether a trusted issuer made it, for this very person, and has not ended it yet."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from api.exports.service import subject_of
from api.handovers.schemas import Counted, Preview
from api.services import Services
from api.uploads import TooLarge, Upload
from infra.errors import InvalidInput
from infra.exports.verify import Verified, opened
from policies.patient_export import BadExport, Digest, same_person

_PLACE = "body"


@dataclass(frozen=True)
class Examined:
    """An export that was looked at before anything is held, or what is wrong with it, to be told once that is due."""

    found: Verified | None
    fault: InvalidInput | None

    def good(self) -> Verified:
        """The export.

        Raises:
            InvalidInput: it is none, was altered, has expired, or is by no issuer that is trusted.
        """
        if self.found is None:
            raise self.fault or InvalidInput("no export", place=_PLACE)
        return self.found


async def examine(serving: Services, upload: Upload) -> Examined:
    """Look at what was sent; off the loop, since it is unpacked, and its signature and digests are worked out."""
    try:
        archive = upload.whole()
        return Examined(await asyncio.to_thread(opened, archive, serving.export_keys.trusted, datetime.now(UTC)), None)
    except InvalidInput as fault:
        return Examined(None, fault)
    except BadExport as fault:
        kind = TooLarge if fault.rule == "too_large" else InvalidInput
        place = f"{_PLACE}.{fault.place}" if fault.place else _PLACE
        return Examined(None, kind(str(fault), place=place, rule=fault.rule, detail=str(fault)))


def check_person(serving: Services, found: Verified, row: Mapping[str, Any]) -> None:
    """Whether the export is of the person of this row: `person_id`, `name`, and `birth_date` as far as it is shared.

    Of our own exports the subject that they name tells, and nothing else: whoever made one writes their own name and
    birth date. Of others' exports both together tell.

    Raises:
        InvalidInput: it is not, or nothing tells that it is.
    """
    said = found.manifest
    ours = any(key.name == said.issuer for key in serving.export_keys.own)
    known = ours and said.subject == subject_of(serving, said.export_id, row["person_id"])
    told = not ours and same_person(found.contents, row["name"], row["birth_date"])
    if not (known or told):
        text = "not of this person, as far as can be told"
        raise InvalidInput(text, place=_PLACE, rule="wrong_person", detail=text)


def digest_of(found: Verified) -> str:
    """By what an export is named here."""
    return Digest.of(found.package.manifest).sha256


def preview_of(found: Verified, already: Mapping[str, Any] | None, *, shared: bool) -> Preview:
    """What would be kept, as whoever sees the profile or does not is told of it."""
    said = found.manifest
    counts = found.contents.counts if shared else found.contents.of_records
    return Preview(
        issuer=said.issuer,
        origin=said.clinic,
        made_at=said.created,
        expires_at=said.expires,
        digest=digest_of(found),
        resources=[Counted(type=kind, count=count) for kind, count in counts.items()],
        already=already["id"] if already else None,
    )
