"""A patient's export: which files it has, what its manifest says, and whether it is what its issuer made.

The manifest names every file with its SHA-256 and is signed; nothing else is, and nothing else need be.
"""

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any, Self
from uuid import UUID

from policies.audit.canonical import line_of
from policies.audit.note import Verifier
from policies.detached_jws import BadSignature, UnknownKey, verify
from policies.fhir.types import is_restricted
from policies.fhir.withheld import without_profile
from policies.text import fault_of_identifier, without_joiners

FORMAT = "cloister-export/1"
STREAM = "exports"
VALID_FOR = timedelta(days=30)
MANIFEST, JWS, BUNDLE = "manifest.json", "manifest.jws", "bundle.json"
READABLE, LOG = "readable.html", "access-log.ndjson"
# What a receiver needs; the others are the patient's own reading, and may be left at home.
NEEDED = (MANIFEST, JWS, BUNDLE)
FILES = (*NEEDED, READABLE, LOG)
LONGEST_NAME = 200


class BadExport(ValueError):
    """No export, or not what a trusted issuer made: `rule` is a word for programs, `place` the file."""

    def __init__(self, rule: str, text: str, place: str = "") -> None:
        super().__init__(text)
        self.rule = rule
        self.place = place


@dataclass(frozen=True)
class Digest:
    """SHA-256 of a file as hexadecimal digits, and its length."""

    sha256: str
    size: int

    @classmethod
    def of(cls, content: bytes) -> Self:
        """The digest of a content."""
        return cls(sha256(content).hexdigest(), len(content))


@dataclass(frozen=True)
class Manifest:
    """What an export says of itself.

    `subject` is a keyed hash by which the issuer alone knows the person again; it is another one in each export.
    """

    export_id: UUID
    issuer: str
    clinic: str
    created: datetime
    expires: datetime
    subject: str
    files: Mapping[str, Digest]

    def content(self) -> bytes:
        """The file: canonical JSON (RFC 8785)."""
        return line_of({
            "format": FORMAT,
            "id": str(self.export_id),
            "issuer": self.issuer,
            "clinic": self.clinic,
            "created": self.created.isoformat(),
            "expires": self.expires.isoformat(),
            "subject": self.subject,
            "files": {name: {"sha256": each.sha256, "size": each.size} for name, each in self.files.items()},
        })  # fmt: skip

    def over(self, files: Mapping[str, bytes]) -> Self:
        """The manifest of these files."""
        return replace(self, files={name: Digest.of(content) for name, content in files.items()})

    def is_plain(self) -> bool:
        """Whether its texts are such as can be kept and shown, and its times have an offset."""
        texts = (self.issuer, self.clinic, self.subject)
        short = all(isinstance(text, str) and 0 < len(text) <= LONGEST_NAME for text in texts)
        timed = self.created.tzinfo is not None and self.expires.tzinfo is not None
        return short and timed and not any(fault_of_identifier(text) for text in texts)

    @classmethod
    def read(cls, content: bytes) -> Self:
        """The manifest of such a file.

        Raises:
            BadExport: it is none.
        """
        try:
            found = json.loads(content)
            if found["format"] != FORMAT:
                raise ValueError
            read = cls(
                export_id=UUID(found["id"]),
                issuer=found["issuer"],
                clinic=found["clinic"],
                created=datetime.fromisoformat(found["created"]),
                expires=datetime.fromisoformat(found["expires"]),
                subject=found["subject"],
                files={name: Digest(each["sha256"], each["size"]) for name, each in found["files"].items()},
            )
            same = read.content() == content and read.is_plain()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            same = False
        if not same:
            raise BadExport("no_export", "no manifest of an export", MANIFEST)
        return read


def check(
    manifest: bytes, jws: bytes, files: Mapping[str, Digest], known: Iterable[Verifier], now: datetime
) -> Manifest:
    """What a genuine export says of itself; `files` are those that came beside manifest and signature.

    Raises:
        BadExport: signed by no known issuer, altered, or expired; says which file.
    """
    issuers = [key for key in known if key.name.endswith(f"/{STREAM}")]
    try:
        issuer = verify(manifest, jws, issuers)
    except UnknownKey:
        raise BadExport("unknown_issuer", "signed by no issuer that is trusted here", JWS) from None
    except BadSignature:
        raise BadExport("altered", "the signature is not of this manifest", JWS) from None
    said = Manifest.read(manifest)
    if said.issuer != issuer.name:
        raise BadExport("altered", "signed by another issuer than it names", MANIFEST)
    for name, digest in files.items():
        if said.files.get(name) != digest:
            raise BadExport("altered", "not the file that was signed", name)
    if BUNDLE not in files:
        raise BadExport("no_export", "the records are missing", BUNDLE)
    if now >= said.expires:
        raise BadExport("expired", f"expired on {said.expires.date()}", MANIFEST)
    return said


@dataclass(frozen=True)
class Contents:
    """Whom a document Bundle is about, and how many resources of each type it has: all, and without the profile.

    restricted: some of it is labelled so, or the document as a whole.
    """

    name: str
    birth_date: date | None
    counts: Mapping[str, int]
    of_records: Mapping[str, int]
    restricted: bool


def contents(bundle: bytes) -> Contents:
    """What is in a document Bundle that a trusted issuer signed.

    Raises:
        BadExport: no document about one patient.
    """
    try:
        whole = _document(bundle)
        resources = [entry["resource"] for entry in whole["entry"]]
        if resources[0]["resourceType"] != "Composition":
            raise ValueError
        (patient,) = (each for each in resources if each["resourceType"] == "Patient")
        born = patient.get("birthDate")
        return Contents(
            name=_name(patient),
            birth_date=date.fromisoformat(born) if born else None,
            counts=_counts(whole),
            of_records=_counts(without_profile(whole)),
            restricted=any(is_restricted(each) for each in (whole, *resources)),
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        raise BadExport("no_export", "no document about one patient", BUNDLE) from None


def _document(bundle: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bundle)
    if (found["resourceType"], found["type"]) != ("Bundle", "document"):
        raise ValueError
    return found


def _counts(bundle: Mapping[str, Any]) -> dict[str, int]:
    found = Counter(str(entry["resource"]["resourceType"]) for entry in bundle["entry"])
    return dict(sorted(found.items()))


def _name(patient: Mapping[str, Any]) -> str:
    told = patient["name"][0]
    return str(told.get("text") or " ".join([*told.get("given", []), told["family"]]))


def same_person(found: Contents, name: str, birth_date: date | None) -> bool:
    """Whether a document is about the person of this name and birth date, as far as these two can tell.

    Without a birth date nobody is taken for anybody.
    """
    return birth_date is not None and found.birth_date == birth_date and _folded(found.name) == _folded(name)


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", without_joiners(name)).casefold().split())


def plain_name(text: str) -> str:
    """A name as manifests hold it: normalised, not too long, and without what nobody sees."""
    shown = "".join(each for each in unicodedata.normalize("NFC", text) if not fault_of_identifier(each))
    return unicodedata.normalize("NFC", shown)[:LONGEST_NAME] or "-"
