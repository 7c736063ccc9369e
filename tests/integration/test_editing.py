"""A profile is edited by its person or a guardian, shows at once where it is shared, and keeps its past sealed."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import access_world
import pytest
from access_world import CHICK, CONTACTS, FINCH, HERON, WREN, Api, World

from api.identity.sealed import codec_of
from infra.database import connect, connect_admin, set_context
from infra.encryption.blind_index import find
from infra.encryption.rotation.book import Kind
from infra.roles import Login
from policies.words import Role
from tests.integration.posting import give_email
from tests.integration.sealed_people import turn
from tests.integration.waiting import until_somebody_waits
from tests.utc import today

NOT_THERE = {"type": "urn:cloister:problem:not-there", "title": "There is nothing here.", "status": 404}
CONTACT = {"name": "Ada Lovelace", "relationship": "sister", "phone": "+44 20 7946 0958"}


def read(api: Api, login: str, whose: str = "me") -> Any:
    return api.get(f"/v1/{whose}/profile", headers=access_world.sign_in(api, login))


def edit(api: Api, login: str, body: Any, whose: str = "me", tag: str | None = None) -> Any:
    headers = access_world.sign_in(api, login)
    tag = tag or api.get(f"/v1/{whose}/profile", headers=headers).headers.get("etag", '"1-1"')
    return api.patch(f"/v1/{whose}/profile", headers={**headers, "if-match": tag}, json=body)


def at_clinic(world: World, api: Api, clinic: str, name: str) -> Any:
    headers = {"Authorization": f"Bearer {world.keys[f'{clinic}.contact']}"}
    return api.get(f"/v1/clinics/{clinic}/patients/{world.patients[clinic, name]}/profile", headers=headers).json()


@pytest.mark.check(13)
def test_an_edit_shows_at_once_wherever_the_profile_is_shared_and_the_name_where_one_is_a_patient(fresh: World) -> None:
    changes = {
        "name": "Canary Finch-Lark", "birth_date": "1932-02-29", "sex": "other", "blood_type": "AB-",
        "allergies": ["penicillin"], "chronic_conditions": ["asthma", "gout"], "insurance_type": "statutory",
        "insurance_payer": "Canary Insurance", "phone": "0049 30 123 456", "email": " Finch@Example.org ",
        "address": "Canary Lane 2\n10115 Berlin", "policy_number": "CANARY-2", "emergency_contacts": [CONTACT],
    }  # fmt: skip
    with access_world.client(fresh.server) as api:
        answer = edit(api, "finch", changes)
        assert answer.status_code == 200 and answer.json()["changed"] == sorted(changes), answer.text
        now = read(api, "finch")
        assert now.headers["etag"] == answer.headers["etag"] == answer.json()["version"]
        expected = {**changes, "phone": "+4930123456", "email": "Finch@Example.org",
                    "emergency_contacts": [{**CONTACT, "phone": "+442079460958"}]}  # fmt: skip
        assert now.json() == expected
        assert at_clinic(fresh, api, "north", FINCH) == {**expected, "patient_id": str(fresh.patients["north", FINCH])}
        assert at_clinic(fresh, api, "south", FINCH) == {
            "name": changes["name"], "patient_id": str(fresh.patients["south", FINCH]),
        }  # fmt: skip
        fresh.consent("south", FINCH)
        assert edit(api, "finch", {"phone": None, "email": "lark@example.org"}).status_code == 200
        north, south = (at_clinic(fresh, api, clinic, FINCH) for clinic in ("north", "south"))
        assert {**north, "patient_id": south["patient_id"]} == south and north["patient_id"] != south["patient_id"]
        assert (north["phone"], north["email"], north["address"]) == (None, "lark@example.org", changes["address"])
    codec = codec_of(fresh.server)
    with connect(Login.SERVICE, at=fresh.server, autocommit=True) as connection:
        assert find(connection, codec, "email", "LARK@example.org") == [fresh.people[FINCH]]
        for field, gone in (("email", "finch@example.org"), ("phone", "+4930123456")):
            assert find(connection, codec, field, gone) == []
    queued = fresh.look("select distinct clinic_id from operational.outbox where entity = 'patient' and changed_at"
                        " > now() - interval '1 minute' and patient_id = any(%s)",
                        [fresh.patients["north", FINCH], fresh.patients["south", FINCH]])  # fmt: skip
    assert len(queued) == 2


REFUSED: list[tuple[str, Any]] = [
    ("birth_date", str(today() + timedelta(days=2))), ("birth_date", "1800-01-01"), ("birth_date", "2023-02-29"),
    ("birth_date", "-5"), ("blood_type", "C+"), ("sex", "f"), ("name", ""), ("name", "  "), ("name", None),
    ("name", "Eve\u202e"), ("name", "x" * 201), ("name", "a\x00b"), ("allergies", ["x"] * 51), ("allergies", "nuts"),
    ("phone", "12"), ("phone", "030 123456"), ("email", "nobody"), ("emergency_contacts", [CONTACT] * 6),
    ("emergency_contacts", [{"name": "A"}]), ("person_id", str(UUID(int=7))), ("address", "\ud800"),
]  # fmt: skip


@pytest.mark.check(41)
@pytest.mark.parametrize(("field", "value"), REFUSED, ids=lambda value: ascii(value)[:20])
def test_a_bad_value_is_refused_by_its_fields_name_and_not_told(world: World, api: Api, field: str, value: Any) -> None:
    before = read(api, "wren")
    headers = {**access_world.sign_in(api, "wren"), "if-match": before.headers["etag"]}
    body = json.dumps({field: value})  # as ASCII, so that a lone surrogate can be sent
    headers["content-type"] = "application/json"
    answer = api.patch("/v1/me/profile", headers=headers, content=body)
    assert answer.status_code == 422, answer.text
    places = [error["place"] for error in answer.json()["errors"]]
    # A name that no field has is not said back.
    where = "body" if field == "person_id" else f"body.{field}"
    assert places and all(place.startswith(where) for place in places)
    assert read(api, "wren").json() == before.json()


def test_of_two_edits_of_one_version_one_is_refused(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        headers = access_world.sign_in(api, "wren")
        tag = api.get("/v1/me/profile", headers=headers).headers["etag"]

        def one(number: int) -> int:
            body = {"insurance_payer": f"Payer {number}"}
            return api.patch("/v1/me/profile", headers={**headers, "if-match": tag}, json=body).status_code

        with ThreadPoolExecutor(6) as pool:
            assert sorted(pool.map(one, range(6))) == [200, 409, 409, 409, 409, 409]
        assert api.patch("/v1/me/profile", headers=headers, json={"sex": "male"}).status_code == 422
    assert fresh.look("select count(*) from operational.profile_history") == [(1,)]


def test_an_edit_of_the_name_alone_is_newer_than_any_file_too(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        answer = edit(api, "wren", {"name": "Canary Wren-Lark"})
        assert answer.json() == {"version": read(api, "wren").headers["etag"], "changed": ["name"]}
    asserted = "select asserted_on::text from operational.profile where person_id = %s"
    assert fresh.look(asserted, fresh.people[WREN]) == [("infinity",)]


def test_what_says_the_same_changes_nothing(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        tag = read(api, "finch").headers["etag"]
        assert edit(api, "finch", {"phone": CONTACTS["phone"], "sex": "female"}).json() == {
            "version": tag, "changed": [],
        }  # fmt: skip
        assert edit(api, "finch", {"sex": "female"}, tag="*").json() == {"version": tag, "changed": []}
    assert fresh.look("select count(*) from operational.profile_history") == [(0,)]


@pytest.mark.check(51)
def test_the_history_is_the_persons_sealed_and_survives_a_rotation(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        edit(api, "finch", {"phone": "+4930555555", "allergies": ["nuts"]})
        edit(api, "finch", {"emergency_contacts": [CONTACT], "birth_date": None})
        turn(fresh.server, Kind.DATA)
        headers = access_world.sign_in(api, "finch")
        first, second = api.get("/v1/me/profile/history", headers=headers).json()["edits"]
        assert second["previous"] == {"phone": CONTACTS["phone"], "allergies": None}
        assert first["previous"] == {
            "emergency_contacts": CONTACTS["emergency_contacts"],
            "birth_date": access_world.BIRTH,
        }
        assert {first["changed_by"], second["changed_by"]} == {"self"}
        wren = access_world.sign_in(api, "wren")
        assert api.get("/v1/me/profile/history", headers=wren).json() == {"edits": []}
    (stored,) = fresh.look("select string_agg(encode(previous, 'escape'), ' ') from operational.profile_history")
    assert CONTACTS["phone"] not in stored[0] and access_world.BIRTH not in stored[0]
    with connect(Login.SERVICE, at=fresh.server) as connection:
        set_context(connection, clinic_id=fresh.clinic_ids["north"], person_id=fresh.people[WREN])
        assert connection.execute("select 1 from operational.profile_history").fetchall() == []


@pytest.mark.check(52)
def test_a_guardian_edits_all_but_a_known_birth_date(fresh: World) -> None:
    whose = f"me/dependents/{fresh.guardianship}"
    with access_world.client(fresh.server) as api:
        assert edit(api, "finch", {"allergies": ["pollen"]}, whose).status_code == 200
        assert read(api, "finch", whose).json()["allergies"] == ["pollen"]
        later = edit(api, "finch", {"birth_date": str(today())}, whose)
        assert (later.status_code, later.json()["errors"][0]["place"]) == (409, "body.birth_date")
        # The dependent does not move the day either.
        access_world._own_account(fresh, "chick", CHICK, [Role.PATIENT])
        assert edit(api, "chick", {"birth_date": "1990-01-01"}).status_code == 409
        history = api.get("/v1/me/profile/history", headers=access_world.sign_in(api, "chick")).json()["edits"]
        assert [one["changed_by"] for one in history] == ["guardian"]


@pytest.mark.check(52)
def test_a_dependents_contact_is_read_by_every_guardian_and_no_guardians_own_by_another(fresh: World) -> None:
    own = {FINCH: "finch@example.org", HERON: "heron@example.org"}
    for name, email in own.items():
        give_email(fresh, name, email)
    ((of_heron,),) = fresh.look(
        "insert into operational.guardianship (guardian_id, dependent_id, relationship, starts_on)"
        " values (%s, %s, 'aunt', '2020-03-01') returning guardianship_id", fresh.people[HERON], fresh.people[CHICK],
    )  # fmt: skip
    with access_world.client(fresh.server) as api:
        said = {"phone": "+4930111222", "email": "chick@example.org", "address": "Canary Nest 2"}
        assert edit(api, "finch", said, f"me/dependents/{fresh.guardianship}").status_code == 200
        seen = read(api, "heron", f"me/dependents/{of_heron}")
        assert {field: seen.json()[field] for field in said} == said
        assert seen.json()["emergency_contacts"] is None
        guardians = api.get(
            f"/v1/me/dependents/{fresh.guardianship}/guardians", headers=access_world.sign_in(api, "finch")
        )
        assert [each["name"] for each in guardians.json()["guardians"]] == [HERON]
        assert own[FINCH] not in seen.text and own[HERON] not in guardians.text


@pytest.mark.check(33)
def test_a_first_birth_date_neither_ends_a_guardianship_nor_makes_it_endless(fresh: World) -> None:
    whose, chick = f"me/dependents/{fresh.guardianship}", fresh.people[CHICK]
    access_world._own_account(fresh, "chick", CHICK, [Role.PATIENT])
    fresh.change("update operational.profile set birth_date = null where person_id = %s", chick)
    with access_world.client(fresh.server) as api:
        for login, at in (("finch", whose), ("chick", "me")):
            for of_age in ("1900-01-01", str(today().replace(year=today().year - 18, day=1))):
                answer = edit(api, login, {"birth_date": of_age}, at)
                assert answer.json()["errors"] == [{"place": "body.birth_date", "rule": "of_age"}]
        # Whatever date is learned from elsewhere, it makes no old guardianship an agreed one.
        fresh.change("update operational.profile set birth_date = '1990-01-01' where person_id = %s", chick)
        assert read(api, "finch", whose).json() == NOT_THERE
        # Whose guardianship is over corrects their own date.
        assert edit(api, "chick", {"birth_date": "1991-01-01"}).status_code == 200
        assert read(api, "finch", whose).json() == NOT_THERE


def test_a_birth_date_is_not_edited_where_somebody_becomes_a_guardian_meanwhile(fresh: World, running: Api) -> None:
    wren, heron = fresh.people[WREN], fresh.people[HERON]
    fresh.change("update operational.profile set birth_date = '1950-01-01' where person_id = %s", wren)
    with connect_admin(fresh.server) as admin, ThreadPoolExecutor(1) as pool:
        with admin.transaction():
            admin.execute("select from operational.person where person_id = %s for no key update", [wren])
            admin.execute(
                "insert into operational.guardianship (guardian_id, dependent_id, relationship, starts_on, agreed)"
                " values (%s, %s, 'friend', current_date, true)", [heron, wren],
            )  # fmt: skip
            edited = pool.submit(edit, running, "wren", {"birth_date": str(today())})
            until_somebody_waits(fresh, admin.info.backend_pid)
        assert edited.result().json()["errors"] == [{"place": "body.birth_date", "rule": "known_already"}]


@pytest.mark.check(33)
@pytest.mark.parametrize("login", ["finch", "heron", "staff.north", "specialist.north", "admin"])
def test_nobody_edits_a_profile_that_is_not_theirs(world: World, api: Api, login: str) -> None:
    for dependent in (uuid4(), world.people[WREN], "x") if login == "finch" else (world.guardianship,):
        assert edit(api, login, {"sex": "male"}, f"me/dependents/{dependent}").json() == NOT_THERE
    if login not in ("finch", "heron"):
        assert edit(api, login, {"sex": "male"}).json() == NOT_THERE
