"""New people are stored beside each other, whom the source has named before one after the other, and nobody twice."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest

from infra.database import Server
from infra.provisioner import Clinic, add_clinics
from orchestration.importing import patients, reading
from orchestration.importing.mapping import Mapping
from orchestration.importing.patients import PatientLoader
from orchestration.importing.piece import PieceLoader
from tests.integration.importing import bring

HEADER = "clinic,person,name,day\n"
ENTITIES = {
    "patient": {"source_id": "person", "name": "name", "registered_on": "day"},
    "appointment": {
        "source_id": "person",
        "record_id": "person",
        "status": {"constant": "fulfilled"},
        "booked_on": "day",
        "starts_on": "day",
    },
}
Stored = list[tuple[int, int]]


def mapping(source: str = "desk") -> Mapping:
    entities = [{"entity": entity, "fields": fields} for entity, fields in ENTITIES.items()]
    file = {"clinic": {"column": "clinic"}, "entities": entities}
    return Mapping.model_validate({"source": source, "people": "source", "consent": "assumed", "files": [file]})


def a_file(folder: Path, *people: tuple[str, object, str]) -> Path:
    path = folder / "people.csv"
    path.write_text(HEADER + "".join(f"{clinic},{person},{name},2026-02-01\n" for clinic, person, name in people))
    return path


def names(admin: psycopg.Connection) -> dict[str, str]:
    found = admin.execute(
        "select s.source_id, p.name from operational.person as p inner join operational.person_source as s"
        " using (person_id)"
    )
    return dict(found.fetchall())


def events(admin: psycopg.Connection) -> int:
    ((found,),) = admin.execute("select count(*) from audit.access_event where action = 'import.csv'").fetchall()
    return int(found)


@pytest.fixture
def stored(admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> Stored:
    """Of each time that patients are stored: the backend that did it, and how many."""
    times: Stored = []
    before: list[int] = []
    load, store = PieceLoader.load, PatientLoader._store

    def counting(self: PieceLoader, *piece: Any) -> None:
        before.append(events(admin))
        load(self, *piece)

    def noting(self: PatientLoader, connection: psycopg.Connection, rows: pl.DataFrame) -> None:
        assert events(admin) > before[-1], "the piece's event is committed before anybody is stored"
        times.append((connection.info.backend_pid, rows.height))
        store(self, connection, rows)

    monkeypatch.setattr(PieceLoader, "load", counting)
    monkeypatch.setattr(PatientLoader, "_store", noting)
    return times


@pytest.mark.check(42)
def test_new_people_are_shared_out_and_known_ones_are_not(
    server: Server, admin: psycopg.Connection, tmp_path: Path, stored: Stored
) -> None:
    clinics = ("north", "south")
    bring(server, mapping(), a_file(tmp_path, *((clinic, n, "Ada") for clinic in clinics for n in range(50))))
    assert len({backend for backend, _ in stored}) == 2
    assert sum(count for _, count in stored) == 100
    # Two ids that are one person, as a merge leaves them.
    admin.execute(
        "update operational.person_source as a set person_id = b.person_id from operational.person_source as b"
        " where a.source_id = '1' and b.source_id = '2'"
    )
    stored.clear()
    changed = [(clinic, n, "Eve" if n < 50 else "New") for clinic in clinics for n in range(60)]
    bring(server, mapping(), a_file(tmp_path, *changed))
    assert stored[0][1] == 100, "those whom the source has named, at once"
    assert sum(count for _, count in stored[1:]) == 20
    assert names(admin) == {str(n): "Eve" if n < 50 else "New" for n in range(60)}


def test_who_says_nothing_new_is_stored_once(
    server: Server, admin: psycopg.Connection, tmp_path: Path, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PIECE_BYTES", 25)
    said = [("north", 1, "Ada"), ("north", 2, "Ivo")]
    bring(server, mapping(), a_file(tmp_path, *said, *said, ("north", 2, "Ian"), *said[:1]))
    assert [count for _, count in stored] == [1, 1, 1], "each at first, and who has another name"
    assert names(admin) == {"1": "Ada", "2": "Ian"}


@pytest.mark.check(42)
@pytest.mark.parametrize("waiting", [0, 1, 2, 200_000])
def test_what_is_said_last_counts_though_it_was_said_before(
    server: Server, admin: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waiting: int
) -> None:
    monkeypatch.setattr(reading, "PIECE_BYTES", 25)
    monkeypatch.setattr(patients, "MOST_WAITING", waiting)
    said = [("north", 1, "Ada"), ("north", 2, "Ivo"), ("north", 1, "Eve"), ("north", 2, "Ian"), ("north", 1, "Ada")]
    bring(server, mapping(), a_file(tmp_path, *said))
    assert names(admin) == {"1": "Ada", "2": "Ian"}


@pytest.mark.check(42)
def test_imports_of_two_sources_run_beside_each_other(
    server: Server, admin: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PIECE_BYTES", 2_000)
    clinics = [f"clinic{n}" for n in range(4)]
    add_clinics(server, [Clinic(slug, slug, "UTC", "ZZ") for slug in clinics], requested_by="test")
    path = a_file(tmp_path, *((clinics[n % 4], n // 2, f"Ada {n // 2}") for n in range(400)))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda source: bring(server, mapping(source), path), ("desk", "till")))
    counts = admin.execute("select count(*) from operational.registration group by clinic_id").fetchall()
    assert counts == [(200,)] * 4
