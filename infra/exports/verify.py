"""Verifying an export that lies in a file: with public keys alone, no settings and no database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from infra.audit_tree.verify_file import keys_in
from infra.errors import CloisterError, InvalidInput, Refused
from infra.exports.archive import LARGEST_ARCHIVE, Package, unpack
from policies.audit.note import Verifier
from policies.patient_export import BadExport, Contents, Manifest, check, contents


@dataclass(frozen=True)
class Verified:
    """A genuine export: its files, what its manifest says, and what its document has."""

    package: Package
    manifest: Manifest
    contents: Contents


def opened(archive: bytes, known: Sequence[Verifier], now: datetime) -> Verified:
    """An export that a known issuer made, and that has not expired.

    Raises:
        BadExport: it is none; says by which rule, and which file.
    """
    package = unpack(archive)
    manifest = check(package.manifest, package.jws, package.digests, known, now)
    return Verified(package, manifest, contents(package.bundle))


def verify_export(path: Path, keys: Sequence[str], now: datetime) -> Verified:
    """The export in a file, signed by one of the keys: each in C2SP's form, or a file of such, one a line.

    Raises:
        Refused: altered, signed by another key, or expired; says which.
        InvalidInput: no export, or a key that is none.
        CloisterError: a file cannot be read.
    """
    try:
        with path.open("rb") as file:
            archive = file.read(LARGEST_ARCHIVE + 1)
    except OSError as error:
        raise CloisterError(f"{path} cannot be read: {error.strerror}") from None
    known = keys_in(keys)
    try:
        return opened(archive, known, now)
    except BadExport as error:
        place = f"{path.name}/{error.place}" if error.place else path.name
        kind = InvalidInput if error.rule in ("no_export", "too_large") else Refused
        raise kind(f"{place}: {error}", rule=error.rule) from None
