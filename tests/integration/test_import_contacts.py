"""Contacts in an import: one form, one index, and a bad one is quarantined by name."""

from pathlib import Path

import psycopg
import pytest

from infra.database import Server, connect
from infra.encryption.blind_index import find
from infra.encryption.field_codec import FieldCodec
from infra.roles import Login
from orchestration.importing.mapping import Mapping
from tests.integration.importing import bring, quarantined, versions
from tests.integration.sealed_people import codec_of, read_phone

FIELDS = {"source_id": "id", "name": "name", "registered_on": "since", "phone": "phone", "email": "email"}
HEADER = "clinic,id,name,since,phone,email,visit,day\n"
MAPPING = Mapping.model_validate(
    {
        "source": "hospital",
        "people": "source",
        "files": [
            {
                "clinic": {"column": "clinic"},
                "entities": [
                    {"entity": "patient", "fields": FIELDS},
                    {
                        "entity": "appointment",
                        "fields": {"source_id": "id", "record_id": "visit", "status": {"constant": "booked"},
                                   "booked_on": "day", "starts_on": "day"},
                    },
                ],
            }
        ],
    }
)  # fmt: skip


def write(folder: Path, *rows: str) -> Path:
    path = folder / "patients.csv"
    lines = [f"{row.split('|')[0]},A,2026-01-02,{row.split('|')[1]},v{n},2026-02-01" for n, row in enumerate(rows)]
    path.write_text(HEADER + "\n".join(lines) + "\n")
    return path


def found(server: Server, field: str, value: str, country: str = "ZZ") -> int:
    with connect(Login.SERVICE, at=server, autocommit=True) as connection:
        return len(find(connection, codec_of(server), field, value, country))


@pytest.mark.check(38)
def test_a_number_is_found_however_it_is_written(server: Server, tmp_path: Path) -> None:
    bring(server, MAPPING, write(tmp_path, "south,1|(27) 99912-3456,Ada@Example.org", "north,2|030 23125042,"))
    for written in ("+55 27 99912-3456", "005527999123456", "+٥٥ ٢٧ ٩٩٩١٢ ٣٤٥٦"):
        assert found(server, "phone", written) == 1
    assert found(server, "phone", "27 99912 3456", "BR") == 1
    assert found(server, "phone", "+4930 23125042") == 1
    assert found(server, "email", "ADA@example.ORG") == 1
    assert found(server, "email", "bea@example.org") == 0


@pytest.mark.check(38)
@pytest.mark.check(43)
def test_a_bad_contact_is_quarantined_by_name_with_the_whole_row(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    path = write(tmp_path, "south,1|12,", "south,2|,no address", "south,3|+55 27 99912-3456,a@example.org")
    (report,) = bring(server, MAPPING, path)
    assert [(line, reason) for _, line, reason, _ in quarantined(admin, server)] == [
        (2, "phone: is no phone number"),
        (3, "email: is no email address"),
    ]
    assert admin.execute("select distinct field from operational.quarantine order by 1").fetchall() == [
        ("email",), ("phone",)
    ]  # fmt: skip
    assert admin.execute("select count(*) from operational.person").fetchone() == (1,)
    assert admin.execute("select count(*) from operational.appointment").fetchone() == (1,)
    assert (report.read, report.refused, report.entities["patient"]) == (3, 2, 1)
    bring(server, MAPPING, write(tmp_path, "south,1|+55 27 99912-0001,", "south,2|,b@example.org"))
    assert quarantined(admin, server) == []


def test_a_national_number_without_a_country_is_refused(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    admin.execute("update operational.clinic set country = 'ZZ' where slug = 'south'")
    bring(server, MAPPING, write(tmp_path, "south,1|27 99912-3456,", "south,2|+55 27 99912-3456,"))
    ((_, line, reason, _),) = quarantined(admin, server)
    assert (line, reason) == (2, "phone: is a national number, and its country is not known")


def test_a_new_number_takes_the_place_of_the_old(
    server: Server, admin: psycopg.Connection, tmp_path: Path, codec: FieldCodec
) -> None:
    bring(server, MAPPING, write(tmp_path, "south,1|+55 27 99912-0001,"))
    bring(server, MAPPING, write(tmp_path, "south,1|+55 27 99912-0002,"))
    (person,) = admin.execute("select person_id from operational.profile").fetchone() or ()
    assert read_phone(admin, codec, person) == "+5527999120002"
    assert (found(server, "phone", "+5527999120001"), found(server, "phone", "+5527999120002")) == (0, 1)


@pytest.mark.check(42)
def test_the_same_number_written_otherwise_is_no_change(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    bring(server, MAPPING, write(tmp_path, "south,1|+55 27 99912-0001,"))
    before = versions(admin)
    bring(server, MAPPING, write(tmp_path, "south,1|0055 27 999120001,"))
    assert versions(admin) == before


@pytest.mark.check(51)
def test_neither_tables_nor_the_servers_log_hold_a_contact_or_a_refused_row(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    canaries = ["+5527999120077", "canary.finch@example.org", "99912-66canary"]
    log = server.secrets_folder.parent / "postgres.log"
    bring(server, MAPPING, write(tmp_path, f"south,1|{canaries[0]},{canaries[1]}", f"south,2|{canaries[2]},"))
    with connect(Login.IMPORTER, at=server, autocommit=True) as importer, pytest.raises(psycopg.errors.CheckViolation):
        importer.execute("insert into operational.person (name) values (%s)", [canaries[1] * 20])
    tables = admin.execute(
        "select c.oid::regclass::text from pg_class as c where c.relkind in ('r', 'p')"
        " and c.relnamespace in ('operational'::regnamespace, 'audit'::regnamespace, 'pipeline'::regnamespace)"
    ).fetchall()
    assert len(tables) > 25
    for (table,) in tables:
        text = admin.execute(f"select coalesce(string_agg(t::text, ' '), '') from {table} as t").fetchone()  # type: ignore[call-overload]
        for canary in canaries:
            assert canary not in text[0] and canary.encode().hex() not in text[0], table
    assert not any(canary in log.read_text() for canary in canaries)


def test_what_people_say_of_themselves_is_newer_than_any_file(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    """As an edit leaves it: no name, contact or index of theirs is a file's any more; another person's are."""
    bring(server, MAPPING, write(tmp_path, "south,1|+55 27 99912-3456,a@example.org", "south,2|+55 27 99912-0001,"))
    edited = "where person_id = (select person_id from operational.person_source where source_id = '1')"
    admin.execute("update operational.person set name = 'B' " + edited)  # type: ignore[arg-type]
    admin.execute("update operational.profile set asserted_on = 'infinity' " + edited)  # type: ignore[arg-type]
    bring(server, MAPPING, write(tmp_path, "south,1|+55 27 99912-7777,b@example.org", "south,2|+55 27 99912-8888,"))
    assert found(server, "phone", "+55 27 99912-3456") == found(server, "email", "a@example.org") == 1
    assert found(server, "phone", "+55 27 99912-7777") == found(server, "email", "b@example.org") == 0
    assert found(server, "phone", "+55 27 99912-8888") == 1
    assert admin.execute("select name from operational.person order by 1").fetchall() == [("A",), ("B",)]
