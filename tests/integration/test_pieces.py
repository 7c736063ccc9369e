"""A file in many small pieces comes out as the same file in one, also when nothing of a patient is remembered."""

from pathlib import Path

import psycopg
import pytest

from infra.database import Server, connect_admin
from infra.encryption.codec import Place
from infra.encryption.data_keys import people_keys
from infra.encryption.field_codec import FieldCodec
from infra.encryption.keyring import FileKeyring
from orchestration.importing import patients, reading, roster
from orchestration.importing.mapping import Mapping
from tests.integration.importing import bring, facts, quarantined, versions

HEADER = "clinic,person,name,visit,status,booked,starts,phone,ill\n"
# Later rows say more of the same patients: a new name, a phone, another illness, another status of a visit.
ROWS = [
    "north,1,Ada Wren,v1,booked,2026-02-01,2026-02-03,,0",
    "south,1,Ada Wren,v1,booked,2026-02-02,2026-02-04,,0",
    "north,2,Ivo Dove,v2,booked,2026-02-01,2026-02-05,+49 30 23125 001,0",
    "north,1,Ada Finch,v3,done,2026-02-03,2026-02-06,+49 30 23125 002,1",
    "north,1,Ada Finch,v1,done,2026-02-01,2026-02-03,,0",
    "north,2,Ivo Dove,v4,done,2026-01-01,2026-02-01,,1",
    "south,3,Una Kite,v5,lost,2026-02-01,2026-02-03,,0",
    "south,3,Una Kite,v6,done,2026-02-01,2026-02-03,,0",
]
FIELDS = {
    "patient": {
        "source_id": "person",
        "name": "name",
        "registered_on": "booked",
        "asserted_on": "starts",
        "asserted_by": "visit",
        "phone": "phone",
        "chronic_conditions": {"flags": {"asthma": "ill"}},
    },
    "appointment": {
        "source_id": "person",
        "record_id": "visit",
        "status": {"column": "status", "values": {"done": "fulfilled", "booked": "booked"}},
        "booked_on": "booked",
        "starts_on": "starts",
    },
}
MAPPING = Mapping.model_validate(
    {
        "source": "desk",
        "people": "source",
        "consent": "assumed",
        "files": [
            {
                "clinic": {"column": "clinic"},
                "entities": [{"entity": entity, "fields": fields} for entity, fields in FIELDS.items()],
            }
        ],
    }
)


@pytest.fixture
def visits(tmp_path: Path) -> Path:
    (tmp_path / "visits.csv").write_text(HEADER + "\n".join(ROWS) + "\n")
    return tmp_path / "visits.csv"


@pytest.fixture
def whole(module_server: Server, visits: Path) -> dict[str, list[tuple[object, ...]]]:
    """What one piece brings, in a database of its own."""
    bring(module_server, MAPPING, visits)
    with connect_admin(module_server) as admin:
        return facts(admin)


@pytest.mark.check(42)
@pytest.mark.parametrize(("remembered", "waiting"), [(500_000, 200_000), (1, 200_000), (500_000, 0)])
def test_a_row_a_piece_gives_the_same(
    server: Server,
    admin: psycopg.Connection,
    visits: Path,
    whole: dict[str, list[tuple[object, ...]]],
    monkeypatch: pytest.MonkeyPatch,
    remembered: int,
    waiting: int,
) -> None:
    monkeypatch.setattr(reading, "PIECE_BYTES", 60)
    monkeypatch.setattr(roster, "MOST", remembered)
    monkeypatch.setattr(patients, "MOST_WAITING", waiting)
    bring(server, MAPPING, visits)
    assert facts(admin) == whole
    assert [(line, reason) for _, line, reason, _ in quarantined(admin, server)] == [
        (8, "status: is none of the mapping's values")
    ]
    before = versions(admin)
    bring(server, MAPPING, visits)
    assert [now[0] for now in versions(admin)] == [then[0] for then in before], "no row is made twice"


def test_what_the_file_says_last_counts(whole: dict[str, list[tuple[object, ...]]]) -> None:
    assert [row[:4] for row in whole["appointment"]] == [
        ("north", "1", "v1", "fulfilled"),
        ("north", "1", "v3", "fulfilled"),
        ("north", "2", "v2", "booked"),
        ("north", "2", "v4", "fulfilled"),
        ("south", "1", "v1", "booked"),
        ("south", "3", "v6", "fulfilled"),
    ]
    assert [(row[0], row[1], row[4]) for row in whole["profile"]] == [
        ("1", "Ada Finch", ["asthma"]),
        ("2", "Ivo Dove", ["asthma"]),
        ("3", "Una Kite", []),
    ]


SAID = "clinic,person,name,visit,booked,starts,phone,email,allergies\n"
SAYS = {name: name for name in ("phone", "email", "allergies")}
_PATIENT = {"source_id": "person", "name": "name", "registered_on": "booked", "asserted_on": "starts"}
_VISIT = {"source_id": "person", "record_id": "visit", "booked_on": "booked", "starts_on": "starts"}
WITH_VISITS = Mapping.model_validate(
    {
        "source": "desk",
        "people": "source",
        "files": [
            {
                "clinic": {"column": "clinic"},
                "entities": [
                    {"entity": "patient", "fields": {**_PATIENT, **SAYS, "asserted_by": "visit"}},
                    {"entity": "appointment", "fields": {**_VISIT, "status": {"constant": "fulfilled"}}},
                ],
            }
        ],
    }
)


@pytest.mark.check(42)
@pytest.mark.parametrize(("remembered", "waiting"), [(500_000, 200_000), (1, 200_000), (500_000, 0)])
@pytest.mark.parametrize("piece", [60, 1 << 20])
def test_the_last_that_is_given_counts_wherever_pieces_end(
    server: Server,
    admin: psycopg.Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    remembered: int,
    waiting: int,
    piece: int,
) -> None:
    monkeypatch.setattr(reading, "PIECE_BYTES", piece)
    monkeypatch.setattr(roster, "MOST", remembered)
    monkeypatch.setattr(patients, "MOST_WAITING", waiting)
    rows = [
        "north,1,Old,9,2026-02-01,2026-02-03,+493023125001,,",
        "north,1,Mid,9,2026-02-01,2026-02-04,+493023125002,,penicillin",
        "north,1,Mid,9,2026-02-01,2026-02-05,,ada@example.org,",
        # Of one day: 10 is after 9, though not as a text; and another clinic's row, new there, is the newest.
        "north,1,Ten,10,2026-02-01,2026-02-06,,,",
        "north,1,Nine,9,2026-02-01,2026-02-06,,,",
        "south,1,New,11,2026-02-01,2026-02-07,+493023125005,,",
        "north,1,Ten,10,2026-02-01,2026-02-06,,,",
    ]
    (tmp_path / "said.csv").write_text(SAID + "\n".join(rows) + "\n")
    bring(server, WITH_VISITS, tmp_path / "said.csv")
    row = admin.execute(
        "select p.name, f.allergies, f.person_id, f.phone, f.email from operational.profile as f"
        " inner join operational.person as p using (person_id)"
    ).fetchone()
    assert row and row[:2] == ("New", ["penicillin"])
    codec = FieldCodec(FileKeyring(server.secrets_folder / "keyring.json"))
    keys = people_keys(admin, codec.provider, [row[2]])[row[2]]
    contacts = [
        codec.open(keys, Place("operational.profile", name, str(row[2])), bytes(sealed)).decode()
        for name, sealed in (("phone", row[3]), ("email", row[4]))
    ]
    assert contacts == ["+493023125005", "ada@example.org"]
