"""Importing and building, as the tests of both need them."""

import gzip
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID, uuid4

import psycopg

from infra.database import Server
from infra.encryption.codec import Place
from infra.encryption.columns import PROFILE
from infra.encryption.data_keys import people_keys, purpose_keys
from infra.encryption.field_codec import FieldCodec
from infra.encryption.keyring import FileKeyring
from infra.segments import Count, add_segments, all_clinics, count_members
from infra.settings import Mode
from orchestration.build import Plan, build
from orchestration.clinics import clinic_days
from orchestration.importing.mapping import Mapping, load_mapping
from orchestration.importing.run import Import, Report, import_files
from policies.segments.definition import parse_segments

SAMPLES = Path(__file__).parents[2] / "samples"


def bring(
    at: Server, mapping: Mapping | str, *files: Path, clinic: str | None = None, mode: Mode = Mode.DEMO
) -> list[Report]:
    chosen = load_mapping(SAMPLES / mapping) if isinstance(mapping, str) else mapping
    keys = FileKeyring(at.secrets_folder / "keyring.json")
    return import_files(at, list(files), Import(chosen, keys, mode, clinic), lambda *_: None)


def evaluate(at: Server, rules: str, as_of: date, clinics: list[str] | None = None) -> list[Count]:
    chosen = clinics or all_clinics(at)
    add_segments(at, chosen, parse_segments((SAMPLES / rules).read_text()))
    days = clinic_days(at, chosen, as_of, datetime.now(UTC))
    _, ledger = build(at, Plan(days), str(uuid4()))
    assert ledger.failed == {}
    return count_members(at, chosen)


def lines_of(path: Path) -> list[bytes]:
    with gzip.open(path) as file:
        return file.read().splitlines(keepends=True)


def quarantined(admin: psycopg.Connection, at: Server) -> list[tuple[str, int, str, bytes]]:
    """Open entries: file, line, reason, and the row as it was."""
    codec = FieldCodec(FileKeyring(at.secrets_folder / "keyring.json"))
    keys = purpose_keys(admin, codec.provider, "quarantine")
    rows = admin.execute(
        "select file, line, reason, quarantine_id, content from operational.quarantine"
        " where resolved_at is null order by file, line"
    ).fetchall()
    return [
        (file, line, reason, codec.open(keys, Place("operational.quarantine", "content", str(entry)), bytes(content)))
        for file, line, reason, entry, content in rows
    ]


SEALED = ("phone", "email", "address", "policy_number", "emergency_contacts")


def contacts(admin: psycopg.Connection, at: Server) -> dict[UUID, dict[str, str]]:
    """Everybody's contact fields in clear, of those who have any."""
    codec = FieldCodec(FileKeyring(at.secrets_folder / "keyring.json"))
    rows = admin.execute(f"select person_id, {', '.join(SEALED)} from operational.profile").fetchall()  # type: ignore[call-overload]
    keys = people_keys(admin, codec.provider, [person for person, *_ in rows])
    found = {
        person: {
            name: codec.open(keys[person], Place(PROFILE.place, name, str(person)), bytes(sealed)).decode()
            for name, sealed in zip(SEALED, values, strict=True)
            if sealed is not None
        }
        for person, *values in rows
    }
    return {person: fields for person, fields in found.items() if fields}


FACTS = {
    "appointment": "select c.slug, s.source_id, a.source_id, status, booked_on, starts_on, starts_at"
    " from operational.appointment as a inner join operational.registration as r using (clinic_id, patient_id)"
    " inner join operational.person_source as s using (person_id) inner join operational.clinic as c using (clinic_id)",
    "profile": "select s.source_id, p.name, f.birth_date, f.sex, f.chronic_conditions from operational.profile as f"
    " inner join operational.person as p using (person_id) inner join operational.person_source as s using (person_id)",
    "registration": "select c.slug, s.source_id, r.registered_on, t.state from operational.registration as r"
    " inner join operational.clinic as c using (clinic_id) inner join operational.person_source as s using (person_id)"
    " left join operational.consent as t using (person_id, clinic_id)",
}


def facts(admin: psycopg.Connection, what: Iterable[str] = FACTS) -> dict[str, list[tuple[object, ...]]]:
    """What an import brought, without the ids that are made at random."""
    return {name: sorted(admin.execute(FACTS[name]).fetchall(), key=repr) for name in what}  # type: ignore[call-overload]


def versions(admin: psycopg.Connection) -> list[tuple[object, ...]]:
    """Counters that move with every change of a row."""
    return [
        admin.execute(f"select count(*), sum(version) from operational.{table}").fetchone() or ()  # type: ignore[call-overload]
        for table in (
            "person",
            "profile",
            "registration",
            "appointment",
            "form",
            "form_answer",
            "treatment_plan",
            "adherence",
            "consent",
        )
    ]
