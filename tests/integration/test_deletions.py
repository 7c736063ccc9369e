"""Deleted is marked with a reason and by whom, gone from every read, and back by an admin's hand."""

import json
from datetime import date
from typing import Any
from uuid import uuid4

import access_world
import psycopg
import pytest
from access_world import DELETED, FINCH, HERON, WREN, Api, World
from booking import as_key, ask, errors, post, someone
from psycopg import sql

from infra.database import clinic_transaction, connect
from infra.roles import ClinicKind, Login
from orchestration.ingest.load import ingest
from orchestration.ingest.sources import SOURCES, Asset
from tests.integration.live_twins import evaluate

NOT_THERE = {"type": "urn:cloister:problem:not-there", "title": "There is nothing here.", "status": 404}
EVERYBODY = "/v1/clinics/north/segments/everybody"
AS_OF = date(2026, 11, 30)


def call(api: Api, login: str, path: str, body: Any = None) -> Any:
    return api.post(f"/v1/clinics/{path}", headers=access_world.sign_in(api, login), json=body)


def sources(world: World, clinic: str, patient: object) -> list[str]:
    """The raw tables that an ingest would bring rows of a patient to."""
    with (
        connect(Login.PIPELINE, at=world.server) as connection,
        clinic_transaction(connection, world.server.roles, clinic, ClinicKind.BUILDER),
    ):
        found = [source for of_asset in SOURCES.values() for source in of_asset]
        return [source.contract.table for source in found if _rows(connection, source.rows, patient)]


def _rows(connection: psycopg.Connection, query: str, patient: object) -> list[Any]:
    statement = sql.SQL("select 1 from ({}) as s where s.patient_id = %s").format(sql.SQL(query))  # type: ignore[arg-type]
    return connection.execute(statement, [patient]).fetchall()


@pytest.mark.check(34)
def test_a_deleted_registration_is_gone_from_every_read_and_load_and_comes_back(fresh: World) -> None:
    patient = fresh.patients["north", FINCH]
    path = f"north/deletions/registration/{patient}"
    profile = f"/v1/clinics/north/patients/{patient}/profile"
    key = {"Authorization": f"Bearer {fresh.keys['north.contact']}"}
    with access_world.client(fresh.server) as api:
        before = sources(fresh, "north", patient)
        assert len(before) == 5 and api.get(profile, headers=key).status_code == 200
        assert call(api, "staff.north", path).json()["errors"][0]["place"] == "body"
        assert call(api, "staff.north", path, {"reason": "a story"}).status_code == 422
        assert call(api, "staff.north", path, {"reason": "duplicate"}).json() == {
            "kind": "registration", "id": str(patient), "deleted": True,
        }  # fmt: skip
        assert sources(fresh, "north", patient) == [] and api.get(profile, headers=key).json() == NOT_THERE
        staff = access_world.sign_in(api, "staff.north")
        for what in ("consents", "guardians"):
            found = api.get(f"/v1/clinics/north/patients/{patient}/{what}", headers=staff)
            assert found.json() == NOT_THERE
        own = api.get("/v1/me/consents", headers=access_world.sign_in(api, "finch")).json()["consents"]
        assert {(consent["clinic"], consent["registered"]) for consent in own} == {("north", False), ("south", True)}
        assert call(api, "staff.north", path, {"reason": "duplicate"}).json() == NOT_THERE
        ((by, reason),) = fresh.look(
            "select p.login, r.delete_reason from operational.registration as r inner join operational.principal as p"
            " on p.principal_id = r.deleted_by"
        )
        assert (by, reason) == ("staff.north", "duplicate")
        assert call(api, "staff.north", f"{path}/undo").json() == NOT_THERE
        assert call(api, "admin", f"{path}/undo").json()["deleted"] is False
        assert sources(fresh, "north", patient) == before and api.get(profile, headers=key).status_code == 200
        assert call(api, "admin", f"{path}/undo").json() == NOT_THERE
    events = fresh.look("select action, decision, patients from audit.access_event where action like 'record.%%'"
                        " and decision = 'permit' order by occurred_at")  # fmt: skip
    assert events == [("record.delete", "permit", 1), ("record.restore", "permit", 1)]


@pytest.mark.check(34)
@pytest.mark.check(47)
def test_who_comes_back_between_a_load_and_an_evaluation_enters_for_whoever_pulled_meanwhile(fresh: World) -> None:
    """Wren shares no profile, and of whom nothing was told of it there is nothing to forget and tell anew."""
    path = f"north/deletions/registration/{fresh.patients['north', WREN]}"
    fresh.change("delete from clinic_north.segment_member")
    with access_world.client(fresh.server) as api:
        _load(fresh)
        evaluate(fresh.server, "north", AS_OF)
        everybody, _ = _pulled(api)
        assert call(api, "staff.north", path, {"reason": "mistake"}).is_success
        _load(fresh)
        copy, cursor = _pulled(api)
        assert len(copy) == len(everybody) - 1
        assert call(api, "admin", f"{path}/undo").is_success
        _load(fresh)
        evaluate(fresh.server, "north", AS_OF)
        query = {"after": cursor}
        changes = api.get(f"{EVERYBODY}/changes", headers=access_world.sign_in(api, "manager.north"), params=query)
        for change in changes.json()["changes"]:
            (copy.add if change["kind"] == "entered" else copy.discard)(change["patient_id"])
        assert copy == everybody == _pulled(api)[0]


def _load(world: World) -> None:
    for asset in Asset:
        ingest(world.server, "north", asset, uuid4())


def _pulled(api: Api) -> tuple[set[str], str]:
    """Who is in a pull, and the position in the feed from which on it is to be followed."""
    headers = {**access_world.sign_in(api, "manager.north"), "accept": "application/x-ndjson"}
    *lines, last = map(json.loads, api.get(f"{EVERYBODY}/members", headers=headers).text.splitlines())
    return {line["patient_id"] for line in lines}, last["complete"]["feed_cursor"]


@pytest.mark.check(34)
def test_a_deleted_appointment_is_gone_from_the_load(fresh: World) -> None:
    patient = fresh.patients["south", HERON]
    ((appointment,),) = fresh.look("select appointment_id from operational.appointment where patient_id = %s", patient)
    fresh.change(
        "update operational.principal_role as r set clinic_id = %s from operational.principal as p"
        " where p.principal_id = r.principal_id and p.login = 'staff.north'",
        fresh.clinic_ids["south"],
    )
    with access_world.client(fresh.server) as api:
        assert "raw_appointments" in sources(fresh, "south", patient)
        assert call(api, "staff.north", f"south/deletions/appointment/{appointment}", {"reason": "mistake"}).is_success
        assert "raw_appointments" not in sources(fresh, "south", patient)


@pytest.mark.check(34)
@pytest.mark.parametrize("gone", ["merged", "person"])
def test_what_a_merge_closed_or_whose_person_is_deleted_does_not_come_back(fresh: World, gone: str) -> None:
    patient = fresh.patients["north", FINCH]
    reason = "merged with another registration" if gone == "merged" else "asked"
    fresh.change(
        "update operational.registration set deleted_at = now(), deleted_by = gen_random_uuid(),"
        " delete_reason = %s where patient_id = %s",
        reason, patient,
    )  # fmt: skip
    if gone == "person":
        fresh.change(f"update operational.person set {DELETED} where person_id = %s", fresh.people[FINCH])
    with access_world.client(fresh.server) as api:
        assert call(api, "admin", f"north/deletions/registration/{patient}/undo").json() == NOT_THERE
    left = fresh.look("select deleted_at is null from operational.registration where patient_id = %s", patient)
    assert left == [(False,)]


@pytest.mark.check(39)
def test_an_appointment_does_not_come_back_to_a_time_that_is_taken(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        first = post(api, as_key(fresh), ask(patient=someone(source_id="first"))).json()["id"]
        assert call(api, "staff.north", f"north/deletions/appointment/{first}", {"reason": "mistake"}).is_success
        assert post(api, as_key(fresh), ask(patient=someone(source_id="second"))).status_code == 201
        answer = call(api, "admin", f"north/deletions/appointment/{first}/undo")
    assert (answer.status_code, errors(answer)) == (409, [("path.record", "double_booked")])


@pytest.mark.check(7)
@pytest.mark.parametrize("login", ["staff.north", "manager.north", "specialist.north", "finch", "admin", "auditor"])
def test_what_is_not_yours_to_delete_is_not_there(world: World, api: Api, login: str) -> None:
    paths = [f"south/deletions/registration/{world.patients['south', FINCH]}",
             f"north/deletions/registration/{world.patients['south', FINCH]}", f"north/deletions/appointment/{uuid4()}",
             "north/deletions/registration/x", f"north/deletions/person/{world.people[FINCH]}"]  # fmt: skip
    if login != "staff.north":
        paths.append(f"north/deletions/registration/{world.patients['north', FINCH]}")
    for path in paths:
        assert call(api, login, path, {"reason": "mistake"}).json() == NOT_THERE
    assert world.look("select count(*) from operational.registration where deleted_at is not null") == [(0,)]
