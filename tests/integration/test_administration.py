"""What platform admins set up over the network: accounts, keys, what clinics offer. Each step is recorded, none goes
to patients' accounts or to those who watch admins, and what is taken away is gone at once."""

from typing import Any

import access_world
import httpx
import pytest
from access_world import Api, World
from callers import signed_in

from api import accounts
from api.problems import KINDS
from infra.errors import NotThere
from infra.settings import settings
from policies.words import Role

PASSWORD = "another long enough password"
NEW = {"login": "<b>new</b> & co", "name": "<script>New</script>", "role": "clinic_manager", "clinic": "north"}


@pytest.fixture(scope="module")
def admin(api: Api) -> dict[str, str]:
    return access_world.sign_in(api, "admin")


def id_of(world: World, login: str) -> str:
    ((found,),) = world.look("select principal_id::text from operational.principal where login = %s", login)
    return str(found)


def newest(world: World) -> tuple[Any, ...]:
    """Action, decision and resource of the newest event, and the slug of its clinic."""
    return world.look(
        "select e.action, e.decision, e.resource_id, c.slug from audit.access_event as e"
        " left join operational.clinic as c using (clinic_id) order by e.occurred_at desc limit 1"
    )[0]


def faults(answer: httpx.Response) -> list[str]:
    return [fault["place"] for fault in answer.json()["errors"]]


def test_an_account_is_made_with_a_link_that_sets_its_password_once(
    world: World, api: Api, admin: dict[str, str]
) -> None:
    made = api.post("/v1/accounts", headers=admin, json=NEW)
    assert made.status_code == 201
    account, path = made.json()["id"], made.json()["password_path"]
    assert newest(world) == ("account.add", "permit", f"{account}/clinic_manager", "north")
    token = path.removeprefix("/password/")
    for status in (200, 422):
        assert api.post("/v1/passwords", json={"token": token, "password": PASSWORD}).status_code == status
    asked = {"username": NEW["login"], "password": PASSWORD}
    answer = api.post("/v1/token", data=asked)
    as_new = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert api.get("/v1/clinics/north/segments", headers=as_new).status_code == 200
    assert api.get("/v1/clinics/south/segments", headers=as_new).status_code == 404

    shown = api.get(f"/v1/accounts/{account}", headers=admin).json()
    assert shown["roles"] == [{"role": "clinic_manager", "clinic": "north"}] and shown["has_password"]
    assert api.post("/v1/accounts", headers=admin, json=NEW).status_code == 409

    role = {"role": "clinic_manager", "clinic": "north"}
    assert api.post(f"/v1/accounts/{account}/roles/end", headers=admin, json=role).status_code == 204
    assert newest(world) == ("role.end", "permit", f"{account}/clinic_manager", "north")
    assert api.get("/v1/clinics/north/segments", headers=as_new).status_code == 404
    again = api.post(f"/v1/accounts/{account}/roles/end", headers=admin, json=role)
    assert (again.status_code, faults(again)) == (422, ["body.role"])
    assert api.post(f"/v1/accounts/{account}/roles/give", headers=admin, json=role).status_code == 204
    assert api.get("/v1/clinics/north/segments", headers=as_new).status_code == 200
    assert newest(world)[0] == "segment.list"

    assert api.post(f"/v1/accounts/{account}/disable", headers=admin).status_code == 204
    assert newest(world) == ("account.disable", "permit", account, None)
    assert api.get("/v1/clinics/north/segments", headers=as_new).status_code == 401
    assert api.post(f"/v1/accounts/{account}/enable", headers=admin).status_code == 204
    assert api.get("/v1/clinics/north/segments", headers=as_new).status_code == 401, "a token of before is none"
    assert api.post(f"/v1/accounts/{account}/codes/reset", headers=admin).status_code == 204
    assert api.get("/v1/clinics/north/segments", headers=as_new).status_code == 401


def test_the_link_of_a_new_account_ends_with_the_password_that_an_operator_gives(
    world: World, api: Api, admin: dict[str, str]
) -> None:
    made = api.post("/v1/accounts", headers=admin, json={**NEW, "login": "linked"}).json()
    accounts.add_user(world.server, "linked", "L", Role.CLINIC_STAFF, "north", PASSWORD)
    given = {"token": made["password_path"].removeprefix("/password/"), "password": "what the admin would like"}
    assert api.post("/v1/passwords", json=given).status_code == 422
    assert api.post("/v1/token", data={"username": "linked", "password": PASSWORD}).status_code == 200


@pytest.mark.parametrize("login", ["admin", "admin.too", "auditor", "auditor.north", "finch", "wren", "robot.north"])
@pytest.mark.parametrize("step", ["disable", "enable", "codes/reset", "roles/give", "roles/end"])
def test_patients_systems_and_who_watches_admins_are_out_of_reach(
    world: World, api: Api, admin: dict[str, str], login: str, step: str
) -> None:
    before = world.look("select principal_id, disabled_at, totp_secret from operational.principal order by 1")
    body = {"role": "clinic_manager", "clinic": "north"} if step.startswith("roles") else None
    refused = api.post(f"/v1/accounts/{id_of(world, login)}/{step}", headers=admin, json=body)
    nowhere = api.post(f"/v1/accounts/no-id/{step}", headers=admin, json=body)
    assert refused.status_code == nowhere.status_code == KINDS[NotThere][0] and refused.json() == nowhere.json()
    assert newest(world)[1] == "deny"
    assert before == world.look("select principal_id, disabled_at, totp_secret from operational.principal order by 1")


def test_a_page_offers_nothing_for_accounts_that_are_out_of_reach(world: World, api: Api) -> None:
    signed = signed_in(world, api, "admin")
    for login, managed in (("staff.north", True), ("auditor.north", False), ("auditor", False), ("admin.too", False)):
        shown = signed.ask(api, "GET", f"/accounts/{id_of(world, login)}")
        assert shown.status_code == 200
        assert all((f'/{step}"' in shown.text) is managed for step in ("disable", "roles/give", "roles/end")), login


def test_lists_of_accounts_name_no_patient(world: World, api: Api, admin: dict[str, str]) -> None:
    listed = api.get("/v1/accounts", headers=admin).json()["accounts"]
    logins = {account["login"] for account in listed}
    assert {"manager.north", "auditor", "admin"} <= logins and not logins & {"finch", "wren", "heron", "robot.north"}
    assert newest(world)[:2] == ("account.list", "permit")
    found = api.get("/v1/accounts", headers=admin, params={"sought": "STAFF.n"}).json()["accounts"]
    assert [account["login"] for account in found] == ["staff.north"]
    for account in (id_of(world, "finch"), id_of(world, "robot.north"), "no-id"):
        assert api.get(f"/v1/accounts/{account}", headers=admin).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"login": ""}, "body.login"),
        ({"login": "a\u202eb"}, "body.login"),
        ({"name": " "}, "body.name"),
        ({"role": "platform_admin"}, "body.role"),
        ({"role": "patient"}, "body.role"),
        ({"clinic": "nowhere"}, "body.clinic"),
    ],
)
def test_what_is_wrong_of_a_new_account_is_named(
    api: Api, admin: dict[str, str], wrong: dict[str, str], place: str
) -> None:
    answer = api.post("/v1/accounts", headers=admin, json={**NEW, "login": "fresh", **wrong})
    assert (answer.status_code, faults(answer)) == (422, [place])


def test_a_key_is_shown_once_renewed_with_an_overlap_and_ended_at_once(
    world: World, api: Api, admin: dict[str, str]
) -> None:
    asked = {"login": "crm.north", "fields": ["name"], "segments": ["everybody"], "days": 30}
    made = api.post("/v1/clinics/north/api-keys", headers=admin, json=asked).json()
    assert newest(world) == ("api_key.give", "permit", made["prefix"], "north")
    renewed = api.post(f"/v1/clinics/north/api-keys/{made['prefix']}/renew", headers=admin, json={"days": 60})
    assert renewed.status_code == 201 and newest(world)[0] == "api_key.renew"
    path = "/v1/clinics/north/segments/everybody/members"
    for key in (made["key"], renewed.json()["key"]):
        bearer = {"Authorization": f"Bearer {key}"}
        assert api.get(path, headers=bearer).json()["members"][0]["name"].startswith("Canary")
        assert api.get("/v1/clinics/north/segments/elders/members", headers=bearer).status_code == 404
    again = api.post(f"/v1/clinics/north/api-keys/{made['prefix']}/renew", headers=admin)
    assert again.status_code == 409 and newest(world)[:2] == ("api_key.renew", "deny")

    # Another clinic's key, one that was never there and one that has ended are one.
    fresh = renewed.json()["prefix"]
    for clinic, prefix in (("south", fresh), ("north", "0" * 12), ("north", "no-prefix")):
        answer = api.post(f"/v1/clinics/{clinic}/api-keys/{prefix}/end", headers=admin)
        assert answer.status_code == 404 and newest(world)[:2] == ("api_key.end", "deny")
    assert api.post(f"/v1/clinics/north/api-keys/{fresh}/end", headers=admin).status_code == 204
    assert newest(world) == ("api_key.end", "permit", fresh, "north")
    assert api.get(path, headers={"Authorization": f"Bearer {renewed.json()['key']}"}).status_code == 401
    listed = api.get("/v1/clinics/north/api-keys", headers=admin)
    states = {key["prefix"]: key["state"] for key in listed.json()["keys"] if key["login"] == "crm.north"}
    assert states == {made["prefix"]: "replaced", fresh: "revoked"}
    assert made["key"] not in listed.text and not any(k["login"].endswith("south") for k in listed.json()["keys"])


@pytest.mark.parametrize(
    ("wrong", "place"),
    [({"login": "manager.north"}, "body.login"), ({"login": ""}, "body.login"), ({"fields": ["x"]}, "body.fields")],
)
def test_what_is_wrong_of_a_new_key_is_named(
    api: Api, admin: dict[str, str], wrong: dict[str, Any], place: str
) -> None:
    answer = api.post("/v1/clinics/north/api-keys", headers=admin, json={"login": "wrong.north", **wrong})
    assert (answer.status_code, faults(answer)) == (422, [place])


def test_managers_and_admins_say_what_a_clinic_offers(
    world: World, api: Api, admin: dict[str, str], manager: dict[str, str]
) -> None:
    before = api.get("/v1/clinics/south/settings", headers=admin).json()
    bookings = {"registration_forms": ["pain"], "days_ahead": 90, "hold_minutes": 30,
                "specialists": ["Dr. North", "Dr. <New>"],
                "hours": {"mon": "08:00-12:00 13:00-17:00", "sat": "09:00-12:00"}}  # fmt: skip
    assert api.put("/v1/clinics/north/settings/bookings", headers=manager, json=bookings).status_code == 204
    assert newest(world) == ("clinic_settings.save", "permit", "north", "north")
    offered = {"name": "Back school", "minutes": 45, "forms": ["pain"], "specialists": ["Dr. <New>"]}
    saved = api.put("/v1/clinics/north/settings/services/back_school", headers=admin, json=offered)
    assert saved.status_code == 204
    shown = api.get("/v1/clinics/north/settings", headers=manager).json()
    assert shown["bookings"] == {**bookings, "specialists": ["Dr. <New>", "Dr. North"]}
    assert {**offered, "service": "back_school", "modality": "in_person", "open": True} in shown["services"]
    assert (shown["time_zone"], shown["country"]) == ("Europe/Berlin", "DE")
    assert api.get("/v1/clinics/south/settings", headers=admin).json() == before
    for method, path in (("GET", ""), ("PUT", "/bookings"), ("PUT", "/services/x")):
        answer = api.request(method, f"/v1/clinics/south/settings{path}", headers=manager)
        assert answer.status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("bookings", {"registration_forms": ["nothing"]}, "body.registration_forms"),
        ("bookings", {"specialists": ["a\u202eb"]}, "body.specialists"),
        ("bookings", {"days_ahead": 0}, "body.days_ahead"),
        ("bookings", {"hold_minutes": 1}, "body.hold_minutes"),
        ("bookings", {"hours": {"mon": "18:00-08:00"}}, "body.hours"),
        ("bookings", {"hours": {"someday": "08:00-18:00"}}, "body.hours"),
        ("services/visit", {"name": "Visit", "forms": ["nothing"]}, "body.forms"),
        ("services/visit", {"name": "Visit", "specialists": ["Dr. South"]}, "body.specialists"),
        ("services/No", {"name": "Visit"}, "path.service"),
    ],
)
def test_what_is_wrong_of_settings_is_named(
    api: Api, admin: dict[str, str], path: str, body: dict[str, Any], place: str
) -> None:
    answer = api.put(f"/v1/clinics/north/settings/{path}", headers=admin, json=body)
    assert (answer.status_code, faults(answer)) == (422, [place])


def test_an_admin_says_how_long_a_guardians_signature_stands_and_a_manager_may_not(
    world: World, api: Api, admin: dict[str, str], manager: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLOISTER_FEED_RETENTION_DAYS")
    settings.cache_clear()
    before = api.get("/v1/clinics/south/settings", headers=admin).json()
    path = "/v1/clinics/{}/settings/retention"
    assert api.put(path.format("north"), headers=admin, json={"consent_grace_days": 30}).status_code == 204
    assert newest(world) == ("clinic_retention.save", "permit", "north", "north")
    shown = api.get("/v1/clinics/north/settings", headers=manager).json()["retention"]
    assert shown == {"consent_grace_days": 30, "audit_years": 6, "feed_days": 730}
    assert api.get("/v1/clinics/south/settings", headers=admin).json() == before
    for clinic in ("north", "south", "nowhere"):
        refused = api.put(path.format(clinic), headers=manager, json={"consent_grace_days": 60})
        assert refused.status_code == 404 and newest(world)[:2] == ("clinic_retention.save", "deny")
    assert api.get("/v1/clinics/north/settings", headers=admin).json()["retention"] == shown


@pytest.mark.parametrize("wrong", [{}, *({"consent_grace_days": days} for days in (-1, 3651, None, "long", 1.5))])
def test_a_grace_that_is_none_is_refused_by_its_field_and_changes_nothing(
    world: World, api: Api, admin: dict[str, str], wrong: dict[str, Any]
) -> None:
    grace = "select clinic_id, consent_grace_days from operational.clinic order by clinic_id"
    before = world.look(grace)
    answer = api.put("/v1/clinics/north/settings/retention", headers=admin, json=wrong)
    assert (answer.status_code, faults(answer)) == (422, ["body.consent_grace_days"])
    assert world.look(grace) == before


def test_health_tells_of_clinics_and_of_nobody(world: World, api: Api, admin: dict[str, str]) -> None:
    world.change(
        "insert into pipeline.clinic_run (invocation_id, model, clinic, status, sqlstate, constraint_name)"
        " values ('i', 'patient_summary', 'south', 'failed', '23514', 'a_check'),"
        " ('i', 'patient_summary', 'north', 'done', null, null)"
    )
    found = api.get("/v1/platform/health", headers=admin).json()
    assert newest(world) == ("platform.health", "permit", None, None)
    failed = {clinic["clinic"]: (clinic["failed_model"], clinic["failed_by"]) for clinic in found["clinics"]}
    assert failed == {"north": (None, None), "south": ("patient_summary", "23514 a_check")}
    assert found["live_workers"] == 0 and "anary" not in str(found)
