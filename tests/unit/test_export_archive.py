"""Exports as files: whatever is sent instead of one is refused with a word, and costs no more than an export may."""

import json
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from infra.exports import archive
from infra.exports.archive import pack, unpack
from infra.exports.verify import opened
from policies.audit.note import Signer
from policies.detached_jws import BadSignature, UnknownKey, sign, verify
from policies.fhir.types import CONFIDENTIALITY
from policies.patient_export import (
    BadExport,
    Contents,
    Digest,
    Manifest,
    contents,
    plain_name,
    same_person,
)

NOW = datetime(2026, 3, 4, tzinfo=UTC)
KEY = Signer("cloister/0a1b/exports", Ed25519PrivateKey.from_private_bytes(bytes(32)))
BUNDLE = (
    b'{"resourceType":"Bundle","type":"document","entry":[{"resource":{"resourceType":"Composition"}},'
    b'{"resource":{"resourceType":"Patient","name":[{"text":"Canary Finch"}],"birthDate":"1931-05-17"}}]}'
)
FILES = {"bundle.json": BUNDLE, "readable.html": b"<p>", "access-log.ndjson": b"{}\n"}
SAID = Manifest(UUID(int=7), KEY.name, "North", NOW, NOW + timedelta(days=30), "0f" * 32, {}).over(FILES)


def made(said: Manifest = SAID, signer: Signer = KEY, **other: bytes) -> dict[str, bytes]:
    content = said.content()
    return {"manifest.json": content, "manifest.jws": sign(content, signer), **FILES, **other}


def rule_of(given: Mapping[str, bytes] | bytes, now: datetime = NOW, key: Signer = KEY) -> str:
    with pytest.raises(BadExport) as found:
        opened(given if isinstance(given, bytes) else pack(given), [key.verifier], now)
    return found.value.rule


def zipped(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", method) as writing:
        for name, content in entries:
            writing.writestr(name, content)
    return out.getvalue()


def test_a_genuine_export_says_what_it_is() -> None:
    found = opened(pack(made()), [KEY.verifier], NOW)
    assert found.manifest == SAID
    counts = {"Composition": 1, "Patient": 1}
    assert found.contents == Contents("Canary Finch", date(1931, 5, 17), counts, counts, restricted=False)
    again = unpack(found.package.kept())
    assert (again.manifest, again.jws, again.bundle) == (found.package.manifest, found.package.jws, BUNDLE)
    assert set(again.digests) == {"bundle.json"}


@pytest.mark.check(20)
def test_what_is_not_as_it_was_signed_is_refused_by_a_word() -> None:
    stranger = Signer(KEY.name, Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32))
    receipts = replace(KEY, name="cloister/0a1b/receipts")
    assert rule_of(made(), NOW + timedelta(days=30)) == "expired"
    assert rule_of(made(signer=stranger)) == "unknown_issuer"
    # A key of another stream signs no exports, though it is known.
    assert rule_of(made(replace(SAID, issuer=receipts.name), receipts), key=receipts) == "unknown_issuer"
    assert rule_of(made(replace(SAID, issuer="cloister/other/exports"))) == "altered"
    assert rule_of({**made(), "bundle.json": BUNDLE + b" "}) == "altered"
    assert rule_of({**made(), "manifest.json": SAID.content().replace(b"North", b"South")}) == "altered"
    other = replace(SAID, clinic="Other")
    assert rule_of({**made(), "manifest.jws": sign(other.content(), KEY)}) == "altered"
    nothing = SAID.over({**FILES, "bundle.json": b"{}"})
    assert rule_of({**made(nothing), "bundle.json": b"{}"}) == "no_export"


@pytest.mark.check(41)
@pytest.mark.parametrize(
    "content",
    [
        b"", b"PK", b"\x00" * 100, zipped(), zipped(("../bundle.json", BUNDLE)), zipped(("bundle.json/", b"")),
        zipped(*made().items(), ("readme.txt", b"")), zipped(*made().items(), method=zipfile.ZIP_BZIP2),
        zipped(*made().items(), method=zipfile.ZIP_LZMA), pack(made())[:-30], pack(made())[200:],
    ],
    ids=range(11),
)  # fmt: skip
def test_what_is_no_export_is_none(content: bytes) -> None:
    assert rule_of(content) == "no_export"


def test_a_name_twice_is_none() -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = zipped(*made().items(), ("bundle.json", b"{}"))
    assert rule_of(twice) == "no_export"


@pytest.mark.check(41)
@pytest.mark.parametrize("name", ["bundle.json", "manifest.json", "manifest.jws", "readable.html", "access-log.ndjson"])
def test_a_bomb_is_given_up_at_its_limit(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    read = 0
    plain = zipfile.ZipExtFile.read

    def counting(file: zipfile.ZipExtFile, size: int = -1) -> bytes:
        nonlocal read
        found = plain(file, size)
        read += len(found)
        return found

    monkeypatch.setattr(zipfile.ZipExtFile, "read", counting)
    bomb = zipped(*{**made(), name: bytes(archive.LARGEST_UNPACKED + 10)}.items())
    assert len(bomb) < archive.LARGEST_ARCHIVE / 10
    assert rule_of(bomb) == "too_large"
    assert read <= archive.LARGEST_UNPACKED + 2 * 64 * 1024
    assert rule_of(bytes(archive.LARGEST_ARCHIVE + 1)) == "too_large"


@given(st.binary(max_size=400), st.data())
def test_whatever_is_sent_there_is_a_word_for_it(noise: bytes, data: st.DataObject) -> None:
    whole = pack(made())
    start = data.draw(st.integers(0, len(whole)))
    for content in (noise, whole[:start] + noise + whole[start:], whole[:start] + noise + whole[start + len(noise) :]):
        with suppress(BadExport):
            assert opened(content, [KEY.verifier], NOW).manifest == SAID


@given(st.binary(max_size=200), st.integers(0, 200), st.integers(1, 255))
def test_a_detached_signature_is_of_its_content_alone(content: bytes, place: int, change: int) -> None:
    signed = sign(content, KEY)
    assert verify(content, signed, [KEY.verifier]) == KEY.verifier
    assert signed.count(b".") == 2 and b".." in signed
    changed = bytearray(signed)
    changed[place % len(changed)] ^= change
    with pytest.raises(BadSignature):
        verify(content, bytes(changed).strip(), [KEY.verifier])
    with pytest.raises(BadSignature):
        verify(content + b"\x00", signed, [KEY.verifier])


@pytest.mark.parametrize(
    "header",
    [b'{"alg":"none","kid":"k"}', b'{"alg":"HS256","kid":"k"}', b'{"alg":"EdDSA"}',
     b'{"alg":"EdDSA","crit":["b64"],"kid":"k"}', b"[]", b"", b"\xff", b"[" * 900],
)  # fmt: skip
def test_no_other_algorithm_or_header_is_taken(header: bytes) -> None:
    encoded = urlsafe_b64encode(header).rstrip(b"=")
    for signature in (b"", urlsafe_b64encode(bytes(64)).rstrip(b"=")):
        with pytest.raises(BadSignature):
            verify(b"x", encoded + b".." + signature, [KEY.verifier])
    with pytest.raises(UnknownKey):
        verify(b"x", sign(b"x", KEY), [])


@pytest.mark.parametrize(
    "changed",
    [{"clinic": ""}, {"clinic": "x" * 201}, {"clinic": "a\u202eb"}, {"issuer": "a\x00b"},
     {"expires": NOW.replace(tzinfo=None)}, {"clinic": {"a": 1}}],
)  # fmt: skip
def test_a_manifest_holds_nothing_that_cannot_be_shown(changed: dict[str, Any]) -> None:
    with pytest.raises(BadExport):
        Manifest.read(replace(SAID, **changed).content())


@given(st.text())
def test_every_name_of_a_clinic_fits_into_a_manifest(name: str) -> None:
    assert Manifest.read(replace(SAID, clinic=plain_name(name)).content()).clinic


NAMES = st.sampled_from(["resourceType", "type", "entry", "resource", "name", "text", "birthDate"])
LEAVES = st.none() | st.integers() | st.sampled_from(["Bundle", "document", "Composition", "Patient", "1990-02-30"])


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=12))
def test_a_document_of_any_shape_is_one_or_none(found: Any) -> None:
    with suppress(BadExport):
        contents(json.dumps(found).encode())


@pytest.mark.check(52)
@pytest.mark.parametrize(
    ("of_bundle", "of_composition", "restricted"),
    [
        ({}, {}, False),
        ({}, {"confidentiality": "N"}, False),
        ({}, {"confidentiality": "R"}, True),
        ({}, {"confidentiality": "V"}, True),
        ({"meta": {"security": [{"system": CONFIDENTIALITY, "code": "R"}]}}, {}, True),
    ],
)
def test_a_document_restricted_as_a_whole_is_so(
    of_bundle: dict[str, Any], of_composition: dict[str, Any], restricted: bool
) -> None:
    entries = [{"resourceType": "Composition", **of_composition}, {"resourceType": "Patient", "name": [{"text": "A"}]}]
    bundle = {"resourceType": "Bundle", "type": "document", "entry": [{"resource": each} for each in entries]}
    assert contents(json.dumps({**bundle, **of_bundle}).encode()).restricted is restricted


def test_only_name_and_birth_date_together_tell_who_it_is() -> None:
    found = Contents("Ana  María Pérez", date(1990, 2, 28), {}, {}, restricted=False)
    born = found.birth_date
    assert same_person(found, "ana maría PÉREZ", born)
    assert same_person(found, "Ana María Pé\u200crez", born)
    assert not same_person(found, "ana maría PÉREZ", None)
    assert not same_person(replace(found, birth_date=None), "ana maría PÉREZ", None)
    assert not same_person(found, "Ana Pérez", born)
    assert not same_person(found, "ana maría PÉREZ", date(1990, 3, 1))


def test_the_digest_is_sha_256() -> None:
    assert Digest.of(b"").sha256.startswith("e3b0c44298fc1c14")
