"""What people carry away from a clinic: read and recorded at once, then packed and signed."""

import asyncio
from dataclasses import dataclass
from uuid import UUID, uuid4

from pydantic_core import to_json

from api.bodies import given
from api.exports import access_log, repository
from api.exports.content import carried_of
from api.exports.readable import page
from api.exports.schemas import Exporting
from api.gateway import Access, Caller
from api.me.service import OWN, author_of, named, person_of
from api.profiles.service import as_id
from api.services import Services
from infra.exports.archive import pack
from policies.detached_jws import sign
from policies.fhir.carried import Carried
from policies.fhir.summary import document
from policies.patient_export import (
    BUNDLE,
    JWS,
    LOG,
    MANIFEST,
    READABLE,
    VALID_FOR,
    Manifest,
    plain_name,
)
from policies.words import Action

RECORDS = frozenset({"records", "body"})


@dataclass(frozen=True)
class Export:
    """One download: a file name, which says nothing of the person, and a ZIP archive."""

    name: str
    archive: bytes


async def make(serving: Services, caller: Caller, asked: Exporting | None, dependent: str | None = None) -> Export:
    """Everything of the caller's, or of a dependent's, at a clinic that they may carry away.

    Raises:
        NotThere: no such dependent of today, or no patient of that clinic.
        InvalidInput: nothing was sent.
    """
    access = Access(Action.EXPORT_MAKE, person_of(caller, dependent), named(OWN, dependent) | RECORDS)
    grant = await serving.gateway.person(caller, access)
    row = await repository.carried(grant, as_id(dependent or ""), given(asked).clinic, OWN, own=dependent is None)
    carried = carried_of(row, OWN, serving.codec, author_of(caller, dependent))
    log = await access_log.lines(serving.pool, carried.clinic, row["accesses"])
    export_id = uuid4()
    subject = subject_of(serving, export_id, row["person_id"])
    # Not on the loop: other requests would wait for it.
    archive = await asyncio.to_thread(_packed, serving, carried, export_id, subject, log, len(row["accesses"]))
    return Export(f"records-{carried.at:%Y-%m-%d}.zip", archive)


def subject_of(serving: Services, export_id: UUID, person: UUID) -> str:
    """By what this platform knows the person of an export again, and nobody else does."""
    return serving.digests.of("export", str(export_id), str(person))


def _packed(serving: Services, carried: Carried, export_id: UUID, subject: str, log: bytes, accesses: int) -> bytes:
    bundle = to_json(document(carried, lambda: str(uuid4())))
    signer = serving.export_keys.signer
    unsigned = Manifest(
        export_id=export_id,
        issuer=signer.name,
        clinic=plain_name(carried.clinic),
        created=carried.at,
        expires=carried.at + VALID_FOR,
        subject=subject,
        files={},
    )
    files = {BUNDLE: bundle, READABLE: page(carried, unsigned, accesses), LOG: log}
    manifest = unsigned.over(files).content()
    return pack({MANIFEST: manifest, JWS: sign(manifest, signer), **files})
