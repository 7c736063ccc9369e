"""Exports as ZIP files: written whole, and read with limits, since whoever sends one may have made it."""

import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO

from policies.patient_export import BUNDLE, FILES, JWS, MANIFEST, BadExport, Digest

LARGEST_ARCHIVE = 8 * 1024 * 1024
# Of what is kept of it, and of all that it unpacks to: a small file may be a large one's.
LARGEST_BUNDLE = 16 * 1024 * 1024
LARGEST_UNPACKED = 64 * 1024 * 1024
LARGEST_NOTE = 64 * 1024  # of manifest and signature
_LARGEST = {MANIFEST: LARGEST_NOTE, JWS: LARGEST_NOTE, BUNDLE: LARGEST_BUNDLE}
# Signatures and lengths of the records at an archive's end, the second that of archives over 4 GB.
_END, _END_LENGTH = b"PK\x05\x06", 22
_END64, _END64_LENGTH = b"PK\x06\x07", 20
_LONGEST_LIST = 4096
_CHUNK = 64 * 1024
_ENCRYPTED = 0x1
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What `zipfile` raises has no common base.
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, IndexError, NotImplementedError, OSError, RuntimeError,
    ValueError,
)  # fmt: skip
_LEVEL = 4  # a third less time than the usual 6, for a fiftieth more bytes


@dataclass(frozen=True)
class Package:
    """What was in an archive: the files that a receiver needs, and what the others come to."""

    manifest: bytes
    jws: bytes
    bundle: bytes
    digests: Mapping[str, Digest]

    def kept(self) -> bytes:
        """An archive of what a receiver keeps: who read the patient elsewhere is not theirs to know."""
        return pack({MANIFEST: self.manifest, JWS: self.jws, BUNDLE: self.bundle})


def pack(files: Mapping[str, bytes]) -> bytes:
    """An archive of these files by name."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def unpack(archive: bytes) -> Package:
    """The files of an archive.

    Raises:
        BadExport: no archive, or not of an export's files; larger than its limits; damaged.
    """
    if len(archive) > LARGEST_ARCHIVE:
        raise BadExport("too_large", f"an export has {LARGEST_ARCHIVE:,} bytes at most")
    if not _is_small(archive):
        raise BadExport("no_export", "no ZIP file, or one of more files than an export has")
    try:
        with zipfile.ZipFile(BytesIO(archive)) as opened:
            return _package(opened)
    except BadExport:
        raise
    except _DAMAGED:
        raise BadExport("no_export", "no ZIP file, or a damaged one") from None


def _is_small(archive: bytes) -> bool:
    """Whether an archive's own list of files is short, as its last record says (APPNOTE.TXT 4.3.16).

    It is looked at before the list is read, which costs a hundred times its size in memory.
    """
    end = archive.rfind(_END)
    if not 0 <= end <= len(archive) - _END_LENGTH or archive[max(end - _END64_LENGTH, 0) : end].startswith(_END64):
        return False
    found: tuple[int, int] = struct.unpack_from("<HL", archive, end + 10)
    return found[0] <= len(FILES) and found[1] <= _LONGEST_LIST


def _package(opened: zipfile.ZipFile) -> Package:
    entries = opened.infolist()
    names = [entry.filename for entry in entries]
    plain = all(entry.compress_type in _PACKINGS and not entry.flag_bits & _ENCRYPTED for entry in entries)
    if not plain or len(set(names)) < len(names) or not set(names) <= set(FILES):
        raise BadExport("no_export", "files that are none of an export")
    left = LARGEST_UNPACKED
    kept: dict[str, bytes] = {}
    digests: dict[str, Digest] = {}
    for entry in entries:
        name = entry.filename
        digests[name], kept[name] = _read(opened, entry, min(_LARGEST.get(name, left), left), keep=name in _LARGEST)
        left -= digests[name].size
    for name in _LARGEST:
        if name not in kept:
            raise BadExport("no_export", "a file of the export is missing", name)
    beside = {name: digest for name, digest in digests.items() if name not in (MANIFEST, JWS)}
    return Package(kept[MANIFEST], kept[JWS], kept[BUNDLE], beside)


def _read(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int, *, keep: bool) -> tuple[Digest, bytes]:
    """The digest of a file, and its content if it is to be kept; what it says of its own size is not believed."""
    digest, size, parts = sha256(), 0, []
    with opened.open(entry) as file:
        while part := file.read(_CHUNK):
            size += len(part)
            if size > most:
                raise BadExport("too_large", "unpacked it is larger than an export may be", entry.filename)
            digest.update(part)
            if keep:
                parts.append(part)
    return Digest(digest.hexdigest(), size), b"".join(parts)
