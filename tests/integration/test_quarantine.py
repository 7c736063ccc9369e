"""Rows in quarantine are listed without their content, shown on purpose, and tried again as they are."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import access_world
import psycopg
import pytest
from access_world import Api, World
from psycopg import sql
from test_fhir_import import _ndjson, _patient, take
from test_importing import MAPPING, PATIENTS, VISITS
from typer.testing import CliRunner

from infra.cli.main import build
from infra.database import Server, connect
from infra.encryption.codec import Place
from infra.encryption.data_keys import people_keys
from infra.encryption.field_codec import FieldCodec
from infra.encryption.keyring import FileKeyring
from infra.errors import InvalidInput, NotThere, Refused
from infra.provisioner import Clinic, add_clinics
from infra.roles import Group, Login
from infra.settings import Mode
from orchestration.importing import again, waiting
from orchestration.importing.again import Trying, try_again
from orchestration.importing.mapping import Mapping
from orchestration.importing.run import Report
from orchestration.importing.waiting import Chosen
from tests.integration.importing import bring, facts, quarantined

LIST = "/v1/clinics/{}/quarantine"


def keys(at: Server) -> FileKeyring:
    return FileKeyring(at.secrets_folder / "keyring.json")


def retry(at: Server, mapping: dict[str, Any] | None = None, mode: Mode = Mode.DEMO, **chosen: Any) -> list[Report]:
    return try_again(at, Chosen(**chosen), Trying(keys(at), mode, mapping), lambda *_: None)


def reasons(admin: psycopg.Connection, at: Server) -> list[tuple[str, int, str]]:
    return [(file, line, reason) for file, line, reason, _ in quarantined(admin, at)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "patients.csv").write_text(PATIENTS.format(canary="+493023125042"))
    (tmp_path / "visits.csv").write_text(VISITS)
    return tmp_path


def test_rows_are_counted_by_reason_and_place_alone(server: Server, folder: Path) -> None:
    bring(server, MAPPING, folder)
    found = waiting.reasons(server, Chosen())
    assert [(row.clinic, row.file, row.line, row.entries) for row in found if row.file == "patients.csv"] == [
        ("north", "patients.csv", 3, 1), ("north", "patients.csv", 6, 1), (None, "patients.csv", 5, 1),
    ]  # fmt: skip
    assert "Finch" not in str(found) and "Wren" not in str(found)
    assert waiting.reasons(server, Chosen(clinic="south")) == []
    with pytest.raises(InvalidInput, match="no clinic 'nowhere'"):
        waiting.reasons(server, Chosen(clinic="nowhere"))


@pytest.mark.check(51)
def test_a_rows_content_is_shown_on_purpose_and_that_is_an_event(
    server: Server, admin: psycopg.Connection, folder: Path
) -> None:
    bring(server, MAPPING, folder)
    (row,) = (row for row in waiting.reasons(server, Chosen()) if "quote" in row.reason)
    shown = waiting.show(server, keys(server), row.first)
    assert (shown.file, shown.line, shown.content) == ("visits.csv", 6, b'north,v5,"1,done,2026-02-01,2026-02-03')
    query = "select role, resource_id, clinic_id from audit.access_event where action = 'quarantine.show'"
    assert admin.execute(query).fetchall() == [("operator", str(row.first), 1)]
    with pytest.raises(NotThere):
        waiting.show(server, keys(server), uuid4())
    # What cannot be recorded is not shown.
    admin.execute("alter table audit.access_event add constraint refuses check (false) not valid")
    with pytest.raises(psycopg.errors.CheckViolation):
        waiting.show(server, keys(server), row.first)


@pytest.mark.check(43)
def test_rows_come_in_once_what_they_waited_for_is_there(
    server: Server, admin: psycopg.Connection, folder: Path
) -> None:
    """Visits came before their patients, and one of a clinic that was not there."""
    (folder / "visits.csv").write_text("".join(VISITS.splitlines(keepends=True)[i] for i in (0, 1, 3, 7)))
    bring(server, MAPPING, folder / "visits.csv")
    unknown = "source_id: is no patient of this clinic"
    assert reasons(admin, server) == [("visits.csv", line, unknown) for line in (2, 3, 4)]
    bring(server, MAPPING, folder / "patients.csv")
    _, done = retry(server, source="hospital", clinic="north")
    assert (done.read, done.refused, done.file) == (2, 1, "visits.csv")
    # Nobody has number 9; south's was not meant. File, line and reason are as they were.
    left = [found for found in reasons(admin, server) if found[0] == "visits.csv"]
    assert left == [("visits.csv", 3, unknown), ("visits.csv", 4, unknown)]
    retry(server, clinic="south")
    assert [row[:3] for row in facts(admin, ["appointment"])["appointment"]] == [
        ("north", "1", "v1"), ("south", "3", "v1"),
    ]  # fmt: skip
    assert retry(server, clinic="south") == []


@pytest.mark.check(42)
def test_tried_again_in_vain_nothing_changes_but_the_reason(
    server: Server, admin: psycopg.Connection, folder: Path
) -> None:
    bring(server, MAPPING, folder)
    before = quarantined(admin, server)
    reports = retry(server)
    assert sorted((report.file, report.read, report.refused) for report in reports) == [
        # What named nobody was refused last, and so is tried by itself.
        ("patients.csv", 3, 3), ("visits.csv", 1, 1), ("visits.csv", 4, 4),
    ]  # fmt: skip
    assert quarantined(admin, server) == before
    # By a mended mapping, whose file has another part for this one.
    mended = MAPPING.model_dump(mode="json")
    mended["files"][1]["entities"][0]["fields"]["status"]["values"]["lost"] = "cancelled"
    retry(server, mended, source="hospital")
    assert ("visits.csv", 5) not in {found[:2] for found in reasons(admin, server)}
    assert ("north", "1", "v4", "cancelled") in {row[:4] for row in facts(admin, ["appointment"])["appointment"]}


def test_a_mapping_that_does_not_fit_is_refused_and_all_stays(
    server: Server, admin: psycopg.Connection, folder: Path
) -> None:
    bring(server, MAPPING, folder)
    before = quarantined(admin, server)
    plain = MAPPING.model_dump(mode="json")
    for wrong, said in (
        ({**plain, "source": "other"}, "are of source 'hospital'"),
        ({**plain, "files": []}, "at least 1"),
        ({**plain, "files": [{**plain["files"][0], "match": "*", "clinic": {"column": "gone"}}]}, "no column 'gone'"),
    ):
        with pytest.raises(InvalidInput, match=said):
            retry(server, wrong)
    with pytest.raises(Refused, match="demo mode"):
        retry(server, {**plain, "consent": "assumed"}, mode=Mode.PRODUCTION)
    with pytest.raises(InvalidInput, match="is not in quarantine"):
        retry(server, entries=[uuid4()])
    assert quarantined(admin, server) == before
    admin.execute("update operational.import_batch set kind = null")
    with pytest.raises(Refused, match="cannot be tried again"):
        retry(server)


@pytest.mark.check(42)
def test_of_many_entries_some_are_tried_at_a_time(
    server: Server, admin: psycopg.Connection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(server, MAPPING, folder)
    before = quarantined(admin, server)
    monkeypatch.setattr(waiting, "MOST_AT_ONCE", 2)
    reports = retry(server, source="hospital")
    assert sorted((report.file, report.read) for report in reports) == [
        ("patients.csv", 1), ("patients.csv", 2), ("visits.csv", 1), ("visits.csv", 2), ("visits.csv", 2),
    ]  # fmt: skip
    assert quarantined(admin, server) == before


@pytest.mark.check(42)
def test_what_another_import_has_brought_meanwhile_is_not_tried_again(
    server: Server, admin: psycopg.Connection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A corrected file comes in between the look and the lock: its row is the newer one."""
    bring(server, MAPPING, folder)

    def late(at: Server, chosen: Chosen) -> list[waiting.Kept]:
        found = waiting.kept(at, chosen)
        (folder / "visits.csv").write_text(VISITS.replace("lost", "done"))
        bring(server, MAPPING, folder / "visits.csv")
        return found

    monkeypatch.setattr(again, "kept", late)
    mended = MAPPING.model_dump(mode="json")
    mended["files"][1]["entities"][0]["fields"]["status"]["values"]["lost"] = "cancelled"
    retry(server, mended)
    assert ("north", "1", "v4", "fulfilled") in {row[:4] for row in facts(admin, ["appointment"])["appointment"]}


STARS = MAPPING.model_copy(update={"files": [MAPPING.files[0].model_copy(update={"match": "patients*.csv"}),
                                             *MAPPING.files[1:]]})  # fmt: skip
PEOPLE_HEAD, VISITS_HEAD = (text.splitlines(keepends=True)[0] for text in (PATIENTS, VISITS))


@pytest.mark.check(42)
@pytest.mark.parametrize("among", ["clinic", "all", "entry"])
def test_a_row_without_a_clinic_that_is_tried_again_overtakes_nothing_newer(
    server: Server, admin: psycopg.Connection, tmp_path: Path, among: str
) -> None:
    """Of two files of a clinic that was not there and one that came once it was, the last one counts."""

    def file(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    for day, old in ((1, "Canary Egg"), (2, "Canary Chick")):
        bring(server, STARS, file(f"patients{day}.csv", f"{PEOPLE_HEAD}west,7,{old},2026-01-05,,+4930231250{day}1,\n"))
        visit = f"west,v7,7,done,2026-02-01,2026-02-0{day}\n"
        bring(server, STARS, file(f"visits{day}.csv", f"{VISITS_HEAD}{visit}{visit.replace('v7', f'w{day}')}"))
    add_clinics(server, [Clinic("west", "West", country="DE")], requested_by="test")
    if among != "all":
        phone = "+493023125090"
        bring(server, STARS, file("patients.csv", f"{PEOPLE_HEAD}west,7,Canary Robin,2026-01-05,,{phone},\n"))
        bring(server, STARS, file("visits.csv", f"{VISITS_HEAD}west,v7,7,missed,2026-02-01,2026-02-09\n"))
    open_ones = waiting.reasons(server, Chosen())
    assert {row.clinic for row in open_ones} == {None} and sum(row.entries for row in open_ones) == 6
    if among == "entry":
        for row in sorted(open_ones, key=lambda row: row.since):
            retry(server, entries=[row.first])
    retry(server)
    assert reasons(admin, server) == []
    visits = "select source_id, status, starts_on::text from operational.appointment where source_id like %s"
    newest = ("v7", "noshow", "2026-02-09") if among != "all" else ("v7", "fulfilled", "2026-02-02")
    assert admin.execute(visits, ["v%"]).fetchall() == [newest]
    assert sorted(row[0] for row in admin.execute(visits, ["w%"]).fetchall()) == ["w1", "w2"]
    ((name, person),) = admin.execute("select name, person_id from operational.person").fetchall()
    assert name == ("Canary Robin" if among != "all" else "Canary Chick")
    codec = FieldCodec(keys(server))
    (stored,) = admin.execute("select phone from operational.profile").fetchone() or (None,)
    place = Place("operational.profile", "phone", str(person))
    told = codec.open(people_keys(admin, codec.provider, [person])[person], place, bytes(stored)).decode()
    assert told == ("+493023125090" if among != "all" else "+493023125021")


@pytest.mark.check(42)
def test_a_row_tried_again_changes_nothing_that_was_changed_here_since(
    server: Server, admin: psycopg.Connection, folder: Path
) -> None:
    bring(server, MAPPING, folder)
    (folder / "visits.csv").write_text(f"{VISITS_HEAD}north,v1,1,lost,2026-02-01,2026-02-03\n")
    bring(server, MAPPING, folder / "visits.csv")
    mended = MAPPING.model_dump(mode="json")
    mended["files"][1]["entities"][0]["fields"]["status"]["values"]["lost"] = "cancelled"
    admin.execute("update operational.appointment set status = 'noshow' where source_id = 'v1'")
    retry(server, mended, source="hospital")
    assert {row[:4] for row in facts(admin, ["appointment"])["appointment"]} >= {("north", "1", "v1", "noshow")}
    assert ("visits.csv", 2) not in {found[:2] for found in reasons(admin, server)}


@pytest.mark.check(42)
def test_who_is_a_guardian_in_a_row_tried_again_and_a_patient_in_another_gets_what_both_say(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    patient = {"source_id": "person", "name": "name", "birth_date": "born", "registered_on": "since"}
    guardian = {"source_id": "person", "guardian_id": "guardian", "name": "their_name", "phone": "their_phone"}
    entities = [
        {"entity": "patient", "fields": patient},
        {"entity": "guardian", "fields": {**guardian, "relationship": {"constant": "parent"}}},
    ]
    files = [{"clinic": {"column": "clinic"}, "entities": entities}]
    mapping = Mapping.model_validate({"source": "hospital", "people": "source", "files": files})
    path = tmp_path / "families.csv"
    path.write_text(
        "clinic,person,name,born,since,guardian,their_name,their_phone\n"
        "west,1,Canary Egg,2020-01-01,2026-01-05,2,Canary Chick,+493023125042\n"
        "west,2,Canary Chick,2012-01-01,2026-01-05,3,Canary Hen,\n"
    )
    bring(server, mapping, path)
    assert [row[0] for row in reasons(admin, server)] == ["families.csv"] * 2
    add_clinics(server, [Clinic("west", "West", country="DE")], requested_by="test")
    retry(server)
    assert reasons(admin, server) == []
    reached = admin.execute(
        "select source_id from operational.person_source inner join operational.profile using (person_id)"
        " where phone is not null"
    )
    assert reached.fetchall() == [("2",)]


def test_a_clinic_that_was_given_is_kept(server: Server, admin: psycopg.Connection, folder: Path) -> None:
    plain = MAPPING.model_dump(mode="json")
    plain["files"] = [{**plain["files"][1], "clinic": None}]
    mapping = Mapping.model_validate(plain)
    bring(server, mapping, folder / "visits.csv", clinic="north")
    bring(server, MAPPING, folder / "patients.csv")
    retry(server)
    assert ("north", "1", "v1", "fulfilled") in {row[:4] for row in facts(admin, ["appointment"])["appointment"]}


def test_resources_of_one_clinic_come_in_again_and_those_of_several_with_their_files(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    one: dict[str, Any] = {"clinics": {"default": "north"}, "registered_on": "2024-01-01"}
    body = {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p1"}, "code": {"text": "Asthma"}}
    condition = _ndjson(tmp_path / "Condition.ndjson", [body, {**body, "id": "d", "subject": {"display": "nobody"}}])
    take(server, one, condition)
    assert [line for _, line, _ in reasons(admin, server)] == [1, 2]
    take(server, one, _ndjson(tmp_path / "Patient.ndjson", [_patient("p1")]))
    # What named nobody met was refused last, and so is tried by itself.
    assert [(done.read, done.refused) for done in retry(server)] == [(1, 0), (1, 1)]
    assert reasons(admin, server) == [("Condition.ndjson", 2, "subject: names no patient")]
    assert admin.execute("select chronic_conditions from operational.profile").fetchall() == [(["Asthma"],)]
    several = {**one, "clinics": {"default": "north", "of": {"Organization/s": "south"}}}
    take(server, {**several, "source": "many"}, condition)
    with pytest.raises(Refused, match="cannot be tried again"):
        retry(server, source="many")
    with pytest.raises(Refused, match="of several clinics"):
        retry(server, {"source": "fhir", **several}, source="fhir")


def test_the_commands_list_show_and_try(
    server: Server, admin: psycopg.Connection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.database.server", lambda: server)
    bring(server, MAPPING, folder)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(build(), ["quarantine", *arguments], catch_exceptions=False)
        return str(done.output)

    listed = run("list", "--clinic", "north")
    assert "visits.csv:5  status: is none of the mapping's values" in listed and "7  in quarantine" in listed
    assert "Finch" not in listed
    (entry,) = (line.split()[-1] for line in listed.splitlines() if "visits.csv:5" in line)
    assert "north,v4,1,lost" in run("show", entry)
    mended = MAPPING.model_dump(mode="json")
    mended["files"][1]["entities"][0]["fields"]["status"]["values"]["lost"] = "cancelled"
    (folder / "mended.yml").write_text(json.dumps(mended))
    assert "1 appointment; 0 in quarantine" in run("retry", entry, "--mapping", str(folder / "mended.yml"))
    assert "nothing to try again" in run("retry", "--asked")


# The API's part of it.


def add_entries(world: World, clinic: str, count: int, kind: str | None = "csv") -> list[UUID]:
    batch, entries = uuid4(), [uuid4() for _ in range(count)]
    world.change(
        "insert into operational.import_batch (batch_id, source, file, kind) values (%s, 'canary', 'v.csv', %s)",
        batch, kind,
    )  # fmt: skip
    for line, entry in enumerate(entries):
        world.change(
            "insert into operational.quarantine (quarantine_id, batch_id, clinic_id, source, entity, row_key, file,"
            " line, reason, field, content) values (%s, %s, %s, 'hospital', 'visit', %s, 'v.csv', %s,"
            " 'day: is none', 'day', 'x')",
            entry, batch, world.clinic_ids[clinic], entry.bytes, line,
        )  # fmt: skip
    return entries


@pytest.fixture(scope="module")
def admins(api: Api) -> dict[str, str]:
    return access_world.sign_in(api, "admin")


def test_an_admin_lists_reasons_and_places_by_pages(world: World, api: Api, admins: dict[str, str]) -> None:
    add_entries(world, "north", 5)
    found = api.get(LIST.format("north"), headers=admins, params={"limit": 2}).json()
    assert found["waiting"] == 6 and found["reasons"][0]["entries"] == 5
    assert set(found["entries"][0]) == {
        "id", "source", "entity", "file", "line", "field", "reason", "since", "retry_asked_at", "tried_at", "trouble",
    }  # fmt: skip
    ids, cursor = [entry["id"] for entry in found["entries"]], found["next"]
    while cursor:
        page = api.get(LIST.format("north"), headers=admins, params={"limit": 2, "cursor": cursor}).json()
        ids, last, cursor = ids + [entry["id"] for entry in page["entries"]], cursor, page["next"]
    assert len(ids) == len(set(ids)) == 6
    other = api.get(LIST.format("south"), headers=admins, params={"cursor": last})
    assert other.status_code == 404
    assert not set(ids) & {entry["id"] for entry in api.get(LIST.format("south"), headers=admins).json()["entries"]}


@pytest.mark.check(7)
def test_an_admin_has_a_row_tried_again(world: World, api: Api, admins: dict[str, str]) -> None:
    (mine,), (theirs,), (alone,) = (add_entries(world, *of) for of in (("north", 1), ("south", 1), ("north", 1, None)))
    path = LIST.format("north") + "/{}/retry"
    asked = api.post(path.format(mine), headers=admins)
    assert asked.status_code == 202 and datetime.fromisoformat(asked.json()["retry_asked_at"]) <= datetime.now(UTC)
    listed = api.get(LIST.format("north"), headers=admins).json()["entries"]
    assert [entry["id"] for entry in listed if entry["retry_asked_at"]] == [str(mine)]
    event = world.look(
        "select action, decision, resource_id from audit.access_event where request_id = %s",
        asked.headers["x-request-id"],
    )
    assert event == [("quarantine.retry", "permit", str(mine))]
    answers = [api.post(path.format(entry), headers=admins) for entry in (theirs, uuid4(), "x")]
    assert {(answer.status_code, answer.content) for answer in answers} == {(404, answers[0].content)}
    refused = api.post(path.format(alone), headers=admins)
    assert (refused.status_code, refused.json()["errors"][0]["rule"]) == (409, "only_with_its_files")


def test_whoever_lists_has_no_right_to_the_content(world: World) -> None:
    with connect(Login.SERVICE, at=world.server) as service:
        service.execute("select set_config('cloister.clinic_id', '1', true)")
        service.execute(sql.SQL("set local role {}").format(sql.Identifier(world.server.roles.of(Group.VIEWER))))
        assert service.execute("select reason from operational.quarantine").fetchall()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            service.execute("select content from operational.quarantine")


def test_what_an_admin_asked_for_is_tried_and_asked_for_no_more(
    server: Server, admin: psycopg.Connection, folder: Path
) -> None:
    bring(server, MAPPING, folder / "visits.csv")
    bring(server, MAPPING, folder / "patients.csv")
    admin.execute(
        "update operational.quarantine set retry_asked_at = now() where file = 'visits.csv' and line in (2, 4)"
    )
    (done,) = retry(server, asked=True)
    assert (done.read, done.refused) == (2, 1)
    assert retry(server, asked=True) == []
