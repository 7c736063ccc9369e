"""Whatever a FHIR file holds: every resource becomes rows, is left out by name, or is kept with a reason."""

import gzip
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import InvalidInput
from orchestration.importing.fhir.index import Index
from orchestration.importing.fhir.mapping import FhirMapping
from orchestration.importing.fhir.pieces import Converted, convert
from orchestration.importing.fhir.reading import read_batches
from orchestration.importing.fhir.references import reference
from orchestration.importing.fhir.resources import CARRIED, SHAPES
from orchestration.importing.fhir.rows import Source
from orchestration.importing.reading import LINE
from orchestration.importing.shaping import shape

MAPPING = FhirMapping.model_validate({"source": "fuzz", "clinics": {"default": "north"}})
NAMES = (
    "id", "status", "subject", "patient", "beneficiary", "encounter", "code", "name", "gender", "birthDate",
    "telecom", "address", "period", "start", "created", "serviceType", "type", "class", "participant", "location",
    "serviceProvider", "category", "valueQuantity", "valueString", "valueInteger", "valueCodeableConcept",
    "valueBoolean", "effectiveDateTime", "questionnaire", "authored", "item", "basedOn", "performedDateTime",
    "occurrenceDateTime", "clinicalStatus", "verificationStatus", "onsetDateTime", "abatementDateTime",
    "recordedDate", "relationship", "performer", "policy", "provision", "dateTime", "organization",
    "managingOrganization", "identifier", "meta", "title", "payor", "reference", "coding", "system", "value",
    "text", "display", "family", "given", "linkId", "answer", "lastUpdated", "uri", "scope", "policyRule",
)  # fmt: skip
_WORDS = st.sampled_from([
    "Patient/p1", "urn:uuid:p1", "Organization?identifier=a|b", "2024-02-30", "2024-02-29T10:00:00Z", "completed",
    "active", "finished", "final", "http://loinc.org", "72514-3", "882-1", "MTH", "", "\x00", "\ud800", "p1", "permit",
])  # fmt: skip
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    _WORDS,
    st.text(max_size=9),
)
VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
RESOURCES = st.builds(
    lambda kind, body: {**body, "resourceType": kind},
    st.sampled_from([*CARRIED, "Organization", "Location", "Goal"]),
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=12),
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


@given(st.lists(RESOURCES, max_size=6))
def test_any_resources_as_lines_and_as_a_bundle_are_all_accounted_for(folder: Path, resources: list[Any]) -> None:
    lines, bundle = folder / "all.ndjson", folder / "all.json"
    lines.write_text("".join(json.dumps(resource) + "\n" for resource in resources))
    entries = [{"resource": resource} for resource in resources]
    bundle.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    for path in (lines, bundle):
        done = converted(path)
        places = {piece.place(line) for piece in done.pieces.values() for line in piece.rows[LINE]}
        broken = {found.line for piece in done.pieces.values() for found in piece.broken}
        assert len(places | broken) + done.left.total() >= len(resources) == done.read
        for key, piece in done.pieces.items():
            assert key in SHAPES
            mapping = MAPPING.for_rows(key)
            shaped = shape(piece.rows, mapping, mapping.files[0], None)
            whole = next(iter(shaped.entities.values()))
            assert whole.height + shaped.refused.height == piece.rows.height


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_lines_that_are_resources_or_broken(folder: Path, content: bytes, packed: bool) -> None:
    path = folder / ("any.ndjson.gz" if packed else "any.ndjson")
    path.write_bytes(gzip.compress(content) if packed else content)
    found = list(read_batches(path))
    count = sum(len(batch.resources) + len(batch.broken) for batch in found)
    assert count == sum(bool(line.strip()) for line in content.rstrip(b"\r\n").split(b"\n"))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_bundle_or_are_refused_by_the_files_name(folder: Path, content: bytes) -> None:
    path = folder / "any.json"
    path.write_bytes(content)
    refused = None
    try:
        assert sum(len(batch.resources) + len(batch.broken) for batch in read_batches(path)) <= 1
    except InvalidInput as error:
        refused = error.place
    assert refused in (None, "any.json")


@given(st.text(max_size=30))
def test_a_reference_is_understood_or_means_nothing(text: str) -> None:
    found = reference({"reference": text}, "Patient")
    assert found is None or "/" in found or "?" in found


def test_the_ways_of_naming_one_thing() -> None:
    assert reference({"reference": "https://a.org/fhir/Patient/7/_history/2"}, "Group") is None
    assert reference({"reference": "https://a.org/fhir/Patient/7"}, "Group", "https://a.org/fhir/") == "Patient/7"
    assert reference({"reference": "urn:uuid:7"}, "Patient") == "urn:Patient/7"
    assert reference({"reference": "Organization?identifier=a%7Cb"}, "Patient") == "Organization?a|b"
    assert reference({"identifier": {"system": "a", "value": "b"}}, "Patient") == "Patient?a|b"
    assert reference({"reference": "#inner"}, "Patient") is None


def converted(path: Path) -> Converted:
    index = Index(MAPPING.clinics, ZoneInfo("UTC"))
    source = Source(MAPPING, index, ZoneInfo("UTC"), {"north": "DE"}, "2026-01-01")
    try:
        (done,) = (convert(batch, source, note=True) for batch in read_batches(path))
    finally:
        index.close()
    return done
