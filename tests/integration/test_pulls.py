"""A pull is all of a segment at one moment, the same in every format, recorded as it is given, and void if somebody
withdraws meanwhile."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import access_world
import httpx
import psycopg
import pytest
from access_world import BIRTH, CHICK, CONTACTS, FINCH, HERON, WREN, Api, World
from psycopg import sql
from pulling import (
    ARROW,
    CHANGES,
    CSV,
    MEMBERS,
    NDJSON,
    as_table,
    key,
    last_line,
    meanwhile,
    move,
    newcomer,
    pulled,
    recorded,
    rows,
)

from api import system_keys
from api.segments import pull_service
from api.segments.pull_formats import JsonLines
from api.segments.pull_service import pull
from api.services import Caller, Services
from infra.audit_tree.export import export
from infra.database import connect, set_context
from infra.roles import ClinicKind, Group, Login
from policies.classification import Field, ProfileField
from policies.words import Purpose
from tests.integration.sealing import seal_all

NOT_THERE = {"type": "urn:cloister:problem:not-there", "title": "There is nothing here.", "status": 404}
FIELDS = [Field.EXTERNAL_ID, Field.NAME, Field.BIRTH_DATE, Field.ALLERGIES]
COLUMNS = [Field.PATIENT_ID, *FIELDS]
KINDS = (NDJSON, CSV, ARROW)


@pytest.fixture(scope="module", autouse=True)
def filled(world: World) -> World:
    """What a spreadsheet would run as formulas; a key that sees it; a clock that has run once; one more patient."""
    for name, values in (
        (FINCH, {"external_id": "@1", "allergies": ["canary nuts", "-2+3"]}),
        (WREN, {"external_id": "+1", "name": '=Canary("Wren", "1")\u2028'}),
    ):
        for column, value in values.items():
            world.change(
                f"update clinic_north.raw_patients set {column} = %s, version = version + 1 where patient_id = %s",
                value, world.patients["north", name],
            )  # fmt: skip
    world.change("update clinic_north.segment_clock set run = 1, at = '2026-01-01'")
    world.keys["puller"] = system_keys.add_api_key(world.server, "puller.north", "north", fields=FIELDS)
    newcomer(world, "Canary Crane")
    return world


def everybody(world: World) -> list[UUID]:
    return sorted(world.patients["north", name] for name in (FINCH, WREN))


@pytest.mark.check(41)
@pytest.mark.parametrize("size", [1, 10_000])
def test_every_format_holds_the_same_rows(world: World, api: Api, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(pull_service, "MEMBERS_A_PART", size)
    headers = key(world, "puller")
    pages = rows(pulled(api, headers, "application/json"))
    assert [UUID(member["patient_id"]) for member in pages] == everybody(world)
    finch, wren = sorted(pages, key=lambda member: "birth_date" not in member)
    assert finch["birth_date"] == BIRTH and finch["allergies"] == ["canary nuts", "-2+3"]
    assert set(wren) == {"patient_id", "external_id", "name"}
    found = {kind: pulled(api, headers, kind) for kind in KINDS}
    assert rows(found[NDJSON]) == pages
    assert rows(found[CSV]) == as_table(pages, COLUMNS, CSV)
    assert {row["name"] for row in rows(found[CSV])} == {FINCH, '\'=Canary("Wren", "1")\u2028'}
    arrow = [{**row, "birth_date": row["birth_date"] and str(row["birth_date"])} for row in rows(found[ARROW])]
    assert arrow == as_table(pages, COLUMNS, ARROW)
    cursor = found[NDJSON].headers["cloister-feed-cursor"]
    assert last_line(found[NDJSON]) == {"complete": {"members": 2, "feed_cursor": cursor}}


def test_a_format_that_there_is_not_is_refused_by_name_and_pages_are_no_pull(world: World, api: Api) -> None:
    headers = key(world, "puller")
    answer = pulled(api, headers, "text/html, application/*;q=0")
    assert answer.status_code == 406
    (error,) = answer.json()["errors"]
    assert error["place"] == "header.accept" and error["detail"].split(", ") == ["application/json", *KINDS]
    for query in ({"limit": 1}, {"at": "2026-01-02T00:00Z"}):
        answer = api.get(MEMBERS.format("everybody"), headers={**headers, "Accept": CSV}, params=query)
        assert answer.status_code == 422 and answer.json()["errors"][0]["place"] == "query"
    assert pulled(api, headers, "*/*").headers["content-type"] == "application/json"


@pytest.mark.check(21)
def test_rows_returned_are_rows_recorded(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(pull_service, "MEMBERS_A_PART", 1)
    headers, first = key(world, "puller"), everybody(world)[0]
    answers = {kind: pulled(api, headers, kind) for kind in KINDS}
    for answer in answers.values():
        assert [UUID(str(row["patient_id"])) for row in rows(answer)] == everybody(world)
        parts = recorded(world, answer)
        assert [part for part in parts if part[1]] == [("permit", 1, [patient]) for patient in everybody(world)]
    nobody = pulled(api, headers, segment="empty")
    assert last_line(nobody)["complete"]["members"] == 0 and recorded(world, nobody) == [("permit", 0, [])]
    request = answers[NDJSON].headers["x-request-id"]
    # Whoever reads the log finds them: auditors by patient and in files, the patient, the sealed log.
    auditor = access_world.sign_in(api, "auditor.north")
    events = api.get("/v1/audit/events", headers=auditor, params={"patient": str(first)}).json()["events"]
    (event,) = [event["event_id"] for event in events if event["request_id"] == request]
    lines = api.get("/v1/audit/events/export", headers=auditor, params={"patient": str(first)}).text.splitlines()
    (line,) = [line for line in lines if event in line]
    assert str(first) in line and str(everybody(world)[1]) not in line
    own = {
        name: {one["event_id"] for one in api.get(
            "/v1/me/access-log", headers=access_world.sign_in(api, login), params={"limit": 1000}
        ).json()["accesses"]}
        for login, name in (("finch", FINCH), ("wren", WREN))
    }  # fmt: skip
    assert {name for name, found in own.items() if event in found} == {
        name for name in (FINCH, WREN) if world.patients["north", name] == first
    }
    seal_all(world.server)
    made = export(world.server, tmp_path / "log.jsonl")
    (sealed,) = [line for line in made.path.read_text().splitlines() if event in line]
    assert str(first) in sealed


@pytest.mark.check(22)
def test_a_pull_that_cannot_be_recorded_is_not_given(world: World, api: Api) -> None:
    world.change("alter table audit.disclosure_chunk add constraint refuses check (false) not valid")
    answer = pulled(api, key(world, "north"))
    world.change("alter table audit.disclosure_chunk drop constraint refuses")
    assert answer.status_code == 503 and str(world.patients["north", FINCH]) not in answer.text


@pytest.mark.check(15)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("who", ["given", "to come"])
def test_a_revocation_meanwhile_makes_it_void_and_says_so(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch, kind: str, who: str
) -> None:
    patient = everybody(world)[0 if who == "given" else 1]
    (name,) = [name for name in (FINCH, WREN) if world.patients["north", name] == patient]
    meanwhile(monkeypatch, lambda: world.consent("north", name, "revoked"))
    try:
        if kind == NDJSON:
            answer = pulled(api, key(world, "puller"))
            assert len(rows(answer)) == 1 and set(last_line(answer)) == {"void"}
            *parts, refused = [decision for decision, *_ in recorded(world, answer)]
            assert refused == "deny" and set(parts) == {"permit"}
        else:
            with pytest.raises(httpx.RemoteProtocolError):
                pulled(api, key(world, "puller"), kind)
            newest = "select decision from audit.access_event where action = 'member.list' order by occurred_at desc"
            assert world.look(newest)[0] == ("deny",)
    finally:
        if name == FINCH:
            world.consent("north", FINCH)
        else:
            world.change("update operational.sharing_limit set ends_at = null")


@pytest.mark.check(15)
def test_of_others_a_revocation_voids_nothing(world: World, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    world.consent("north", WREN, "revoked")  # before the pull: it does not show what was withdrawn
    meanwhile(monkeypatch, lambda: world.consent("north", "Canary Crane", "revoked"))
    answer = pulled(api, key(world, "puller"))
    assert last_line(answer)["complete"]["members"] == len(rows(answer)) == 2
    world.change("update operational.sharing_limit set ends_at = null")


def test_a_pull_is_of_one_moment_and_the_feed_goes_on_from_it(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    crane, wren = world.patients["north", "Canary Crane"], world.patients["north", WREN]

    def change() -> None:
        move(world, enter=[crane], leave=[wren])
        world.change("update clinic_north.raw_patients set external_id = 'changed'")

    before = rows(pulled(api, key(world, "puller"), "application/json"))
    meanwhile(monkeypatch, change, before_part=1)  # only the first is read by then
    answer = pulled(api, key(world, "puller"))
    assert rows(answer) == before
    after = {"after": answer.headers["cloister-feed-cursor"]}
    changes = api.get(CHANGES.format("everybody"), headers=key(world, "puller"), params=after).json()["changes"]
    assert {(change["kind"], change["patient_id"]) for change in changes} == {
        ("entered", str(crane)), ("left", str(wren)),
    }  # fmt: skip
    move(world, enter=[wren], leave=[crane])


@pytest.mark.check(6)
def test_cursors_and_pulls_of_another_are_as_good_as_made_up(world: World, api: Api) -> None:
    south = access_world.sign_in(api, "manager.south")
    for clinic in ("south", "nowhere"):
        answer = api.get(f"/v1/clinics/{clinic}/segments/everybody/members", headers=key(world, "puller") | {
            "Accept": NDJSON})  # fmt: skip
        assert (answer.status_code, answer.json()) == (404, NOT_THERE)
    theirs = api.get("/v1/clinics/south/segments/everybody/members", headers={**south, "Accept": NDJSON})
    assert theirs.status_code == 200
    cursors = [theirs.headers["cloister-feed-cursor"], pulled(api, key(world, "north")).headers["cloister-feed-cursor"]]
    for cursor in (*cursors, "A" * 88):
        answer = api.get(CHANGES.format("everybody"), headers=key(world, "puller"), params={"after": cursor})
        assert (answer.status_code, answer.json()) == (404, NOT_THERE)


@pytest.mark.check(12)
def test_a_tag_changes_with_all_that_is_shown_and_what_is_known_shows_nobody(world: World, api: Api) -> None:
    headers, finch = key(world, "puller"), world.patients["north", FINCH]
    crane = world.patients["north", "Canary Crane"]
    patient = "update clinic_north.raw_patients set {}, version = version + 1 where patient_id = %s"

    def tags() -> dict[str, str]:
        return {kind: pulled(api, headers, kind).headers["etag"] for kind in ("application/json", NDJSON)}

    for change in (
        lambda: move(world, enter=[crane]),
        lambda: world.change(patient.format("name = 'Canary Other'"), crane),
        lambda: world.change(patient.format("allergies = null"), finch),
        lambda: world.consent("north", FINCH, "revoked"),
        lambda: move(world, leave=[crane]),
    ):
        before = tags()
        for kind, tag in before.items():
            known = pulled(api, headers, kind, **{"If-None-Match": f'"other", {tag}'})
            assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)
            assert recorded(world, known) == [("permit", 0, [])]
            # In another format, or with another key's fields, it is not known.
            for other, accept in ((headers, CSV), (key(world, "north"), kind)):
                assert pulled(api, other, accept, **{"If-None-Match": tag}).status_code == 200
        change()
        after = tags()
        assert not set(before.values()) & set(after.values())
        for kind, tag in before.items():
            assert pulled(api, headers, kind, **{"If-None-Match": tag}).status_code == 200
    world.consent("north", FINCH)


def test_what_a_pull_holds_is_let_go_whether_it_was_taken_or_not(world: World) -> None:
    async def left_behind(parts: int) -> None:
        serving = Services.build(world.server)
        async with serving.pool:
            principal = await serving.bearer(world.keys["puller"])
            assert principal
            for _ in range(8):  # more than there are places for at a time
                found = await pull(serving, Caller(principal, uuid4()), "north", "everybody", JsonLines)
                assert found.parts
                for _ in range(parts):
                    await anext(found.parts)
                await found.parts.aclose()
                await found.close()
            assert serving.pool.get_stats()["pool_available"] == serving.pool.get_stats()["pool_size"]

    for parts in (0, 1, 2):
        asyncio.run(left_behind(parts))


def test_a_key_for_messages_lists_those_alone_who_agreed_with_their_contacts(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = [Field.NAME, ProfileField.PHONE, ProfileField.EMAIL]
    writer, caller = (
        {"Authorization": "Bearer " + system_keys.add_api_key(world.server, login, "north", fields=fields, purpose=why)}
        for login, why in (("writer.north", Purpose.COMMUNICATIONS), ("dialler.north", Purpose.OPERATIONS))
    )
    monkeypatch.setattr(pull_service, "MEMBERS_A_PART", 1)
    for kind in ("application/json", *KINDS):
        assert rows(pulled(api, writer, kind)) == [], kind
        assert all("phone" not in row for row in rows(pulled(api, caller, kind)))
    world.consent("north", WREN, purpose="communications")  # and shares no profile
    assert rows(pulled(api, writer)) == []
    world.consent("north", FINCH, purpose="communications")
    finch = {"patient_id": str(world.patients["north", FINCH]), "name": FINCH}
    reached = {**finch, **{channel: CONTACTS[channel] for channel in ("phone", "email")}}
    for kind in ("application/json", *KINDS):
        answer = pulled(api, writer, kind)
        assert rows(answer) == as_table([reached], reached, kind), kind
        shown = [part for part in recorded(world, answer) if part[1]]
        assert shown == [("permit", 1, [world.patients["north", FINCH]])]
    page = api.get(MEMBERS.format("everybody"), headers=writer, params={"limit": 1}).json()
    rest = api.get(MEMBERS.format("everybody"), headers=writer, params={"limit": 1, "cursor": page["next"]}).json()
    assert page["members"] + rest["members"] == [reached] and rest["next"] is None
    # The feed is no list of those who agreed.
    assert api.get(CHANGES.format("everybody"), headers=writer).json() == NOT_THERE
    # Nor of who pressed 'send me no more', until they sign again.
    refused = "insert into operational.message_refusal (clinic_id, patient_id) values (%s, %s)"
    world.change(refused, world.clinic_ids["north"], world.patients["north", FINCH])
    assert rows(pulled(api, writer)) == rows(pulled(api, writer, "application/json")) == []
    world.consent("north", FINCH, purpose="communications")
    assert rows(pulled(api, writer)) == [reached]
    meanwhile(monkeypatch, lambda: world.consent("north", FINCH, "revoked", purpose="communications"))
    assert set(last_line(pulled(api, writer))) == {"void"}
    assert rows(pulled(api, writer, "application/json")) == []


@pytest.mark.check(50)
def test_chunks_of_disclosures_are_behind_the_walls_of_the_log(world: World, api: Api) -> None:
    names, finch = world.server.roles, world.patients["north", FINCH]
    # A child of Finch's whose id begins like Finch's own, at the same clinic.
    child = UUID(str(finch)[:3] + str(uuid4())[3:])
    world.change(
        "insert into operational.registration (clinic_id, patient_id, person_id, registered_on)"
        " values (%s, %s, %s, '2020-01-01')", world.clinic_ids["north"], child, world.people[CHICK],
    )  # fmt: skip
    event = uuid4()
    world.change(
        "with e as (insert into audit.access_event (event_id, occurred_at, principal_kind, role, action,"
        " resource_type, clinic_id, decision, policies, patients) values (%s, statement_timestamp(), 'system',"
        " 'automation_system', 'member.list', 'segment', %s, 'permit', '{}', 1) returning *)"
        " insert into audit.disclosure_chunk select event_id, occurred_at, clinic_id, left(%s::text, 3), array[%s]"
        " from e", event, world.clinic_ids["north"], child, child,
    )  # fmt: skip
    headers = access_world.sign_in(api, "finch")
    logs = [
        {one["event_id"] for one in api.get(path, headers=headers, params={"limit": 1000}).json()["accesses"]}
        for path in ("/v1/me/access-log", f"/v1/me/dependents/{world.guardianship}/access-log")
    ]
    assert [str(event) in log for log in logs] == [False, True]
    with connect(Login.SERVICE, at=world.server) as connection:

        def seen(role: str, query: str, **context: Any) -> list[tuple[Any, ...]]:
            connection.rollback()
            set_context(connection, **context)
            connection.execute("select set_config('cloister.audit_scope', 'clinic', true)")
            connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
            return connection.execute(query).fetchall()  # type: ignore[arg-type]

        ids = "select event_id from audit.disclosure_chunk"
        reader, viewer, family = (
            names.clinic("north", ClinicKind.READER),
            names.of(Group.VIEWER),
            names.of(Group.FAMILY),
        )
        foreign = f"insert into audit.disclosure_chunk values (%s, now(), {world.clinic_ids['south']}, 'abc', '{{}}')"
        for role, query in (
            (reader, ids), (viewer, ids), (family, "select patients from audit.disclosure_chunk"),
            (family, "select patient_id from audit.disclosed"), (reader, foreign.replace("%s", f"'{event}'")),
        ):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                seen(role, query)
        auditor = names.of(Group.AUDITOR)
        assert (event,) not in seen(family, ids, person_id=world.people[HERON])
        assert (event,) in seen(family, ids, person_id=world.people[FINCH])
        assert seen(auditor, ids, clinic_id=world.clinic_ids["south"]) != []
        assert (event,) not in seen(auditor, ids, clinic_id=world.clinic_ids["south"])
        assert (event,) in seen(auditor, ids, clinic_id=world.clinic_ids["north"])


def test_what_people_did_in_bulk_is_reviewed_as_well(world: World, api: Api) -> None:
    manager, auditor = (access_world.sign_in(api, login) for login in ("manager.south", "auditor"))
    answer = api.get("/v1/clinics/south/segments/everybody/members", headers={**manager, "Accept": CSV})
    assert answer.status_code == 200
    until = datetime.now(UTC) + timedelta(minutes=1)
    span = {"clinic": "south", "since": (until - timedelta(days=1)).isoformat(), "until": until.isoformat()}
    found = api.get("/v1/audit/unusual", headers=auditor, params=span).json()["findings"]
    assert {finding["patient_id"] for finding in found if finding["reason"] == "first_access"} >= {
        str(world.patients["south", name]) for name in (FINCH, HERON)
    }
