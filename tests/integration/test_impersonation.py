"""An admin acts as a patient: read alone, in both logs, in the sight of the patient, and until it is ended."""

from typing import Any
from uuid import UUID, uuid4

import access_world
import pytest
from access_world import CHICK, CONTACTS, FINCH, WREN, Api, World
from impersonating import REASON, TERMS, TICKET, account, act_as, end, get, opening

from api.identity import issuer as issuing
from tests.integration.test_me import NOT_THERE

BOTH_LOGS = """
select e.action, e.decision, e.principal_id, e.role, e.acting_for, e.session_id, e.impersonation_id,
    i.actor_id, i.subject_id, i.reason, i.session_id, i.action
from audit.access_event as e
left join audit.impersonation_event as i on i.event_id = e.event_id and i.occurred_at = e.occurred_at
where e.impersonation_id = %s order by e.occurred_at"""
REFUSED = (
    "select decision, policies, resource_type, resource_id, principal_id, impersonation_id from audit.access_event"
    " where action = 'impersonation.open' order by occurred_at desc limit 1"
)


@pytest.mark.check(30)
def test_every_action_names_subject_actor_reason_and_session_in_both_logs(world: World, api: Api) -> None:
    impersonation, headers = act_as(api, "finch")
    admin, finch = account(world, "admin"), account(world, "finch")
    dependent = f"me/dependents/{world.guardianship}"
    asked = [
        ("me/profile", "person.read", "permit"), ("me/access-log", "access.list", "permit"),
        ("me/dependents", "dependent.list", "permit"), (f"{dependent}/profile", "person.read", "permit"),
        (f"{dependent}/access-log", "access.list", "permit"), ("me/impersonations", "impersonation.review", "permit"),
        (f"me/dependents/{uuid4()}/profile", "person.read", "deny"), ("clinics", "clinic.list", "deny"),
        ("clinics/north/segments", "segment.list", "deny"), ("audit/events", "audit.search", "deny"),
        (f"clinics/north/patients/{world.patients['north', FINCH]}/profile", "profile.read", "deny"),
    ]  # fmt: skip
    for path, _, decision in asked:
        assert get(api, path, headers).status_code == (200 if decision == "permit" else 404), path
    assert end(api, impersonation).status_code == 200
    opened, *acted, ended = world.look(BOTH_LOGS, impersonation)
    own, of_dependent = world.people[FINCH], world.people[CHICK]
    for row, (path, action, decision) in zip(acted, asked, strict=True):
        person = of_dependent if str(world.guardianship) in path else own
        session = f"impersonation:{impersonation}"
        assert row == (action, decision, admin, "platform_admin", person, session, UUID(impersonation),
                       admin, finch, REASON, session, action), path  # fmt: skip
    for row, action in ((opened, "impersonation.open"), (ended, "impersonation.end")):
        assert row[:5] == (action, "permit", admin, "platform_admin", None)
        assert row[5].startswith("token:")
        assert row[7:] == (admin, finch, REASON, row[5], action)


@pytest.mark.check(30)
def test_what_the_separate_log_does_not_take_is_not_answered(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        impersonation, headers = act_as(api, "wren")
        assert get(api, "me/profile", headers).status_code == 200
        before = fresh.look("select count(*) from audit.access_event where impersonation_id = %s", impersonation)
        fresh.change("alter table audit.impersonation_event add constraint broken check (false) not valid")
        for path in ("me/profile", "me/access-log", "me/impersonations", "clinics"):
            answer = get(api, path, headers)
            assert (answer.status_code, answer.json()["type"]) == (503, "urn:cloister:problem:not-recorded"), path
            assert WREN not in answer.text
        assert opening(api, "finch").status_code == 503
        # Nobody else is the worse for it, and nothing is half recorded.
        assert get(api, "me/profile", access_world.sign_in(api, "wren")).status_code == 200
        assert fresh.look("select count(*) from operational.impersonation") == [(1,)]
        after = fresh.look("select count(*) from audit.access_event where impersonation_id = %s", impersonation)
        assert after == before


@pytest.mark.check(31)
@pytest.mark.parametrize(
    ("other", "place"),
    [({"minutes": 61}, "minutes"), ({"minutes": 0}, "minutes"), ({"minutes": None}, "minutes"),
     ({"reason": ""}, "reason"), ({"reason": None}, "reason"), ({"reason": "curious"}, "reason"),
     ({"ticket": ""}, "ticket"), ({"ticket": None}, "ticket"), ({"ticket": "Mrs. Wren called"}, "ticket")],
    ids=str,
)  # fmt: skip
def test_without_an_hour_at_most_a_reason_and_a_ticket_nobody_is_impersonated(
    world: World, api: Api, other: dict[str, Any], place: str
) -> None:
    before = world.look("select count(*) from operational.impersonation")
    answer = opening(api, "wren", **other)
    assert (answer.status_code, answer.json()["errors"]) == (422, [{"place": f"body.{place}", "rule": "not_valid"}])
    policy = "impersonation-is-brief" if place == "minutes" else "impersonation-has-reason-and-ticket"
    wren = str(account(world, "wren"))
    assert world.look(REFUSED) == [("deny", [policy], "account", wren, account(world, "admin"), None)]
    assert world.look("select count(*) from operational.impersonation") == before


@pytest.mark.check(31)
def test_of_oneself_an_admin_staff_or_nobody_look_the_same_and_are_recorded(world: World, api: Api) -> None:
    staff = ("nobody-impersonates-staff",)
    expected: dict[str, tuple[str, ...]] = {
        "admin": (*staff, "nobody-impersonates-themselves"), "admin.too": staff, "auditor": staff,
        "auditor.north": staff, "manager.north": staff, "staff.north": staff, "specialist.south": staff,
        "roleless": (), "robot.north": (), "nobody at all": (), "": (),
    }  # fmt: skip
    for login, policies in expected.items():
        answer = opening(api, login)
        assert (answer.status_code, answer.json()) == (404, NOT_THERE), login
        assert world.look(REFUSED)[0][:2] == ("deny", list(policies)), login
    for login in ("roleless", "robot.north", "nobody at all"):  # a login that was merely typed is in no log
        assert not world.look("select 1 from audit.access_event where resource_id = %s", login)


@pytest.mark.check(31)
def test_who_is_more_than_a_patient_is_not_impersonated_nor_any_longer(world: World, api: Api) -> None:
    _, headers = act_as(api, "heron")
    assert get(api, "me/profile", headers).status_code == 200
    world.change(
        "insert into operational.principal_role (principal_id, role, clinic_id) values (%s, 'clinic_staff', %s)",
        account(world, "heron"), world.clinic_ids["south"],
    )  # fmt: skip
    assert get(api, "me/profile", headers).status_code == 401
    assert opening(api, "heron").json() == NOT_THERE
    world.change("update operational.principal_role set revoked_at = now() where role = 'clinic_staff'"
                 " and principal_id = %s", account(world, "heron"))  # fmt: skip
    assert get(api, "me/profile", headers).status_code == 200


@pytest.mark.check(31)
def test_nobody_else_opens_lists_or_ends_any_and_nothing_is_nested(world: World, api: Api) -> None:
    impersonation, headers = act_as(api, "finch")
    key = {"Authorization": f"Bearer {world.keys['north']}"}
    others = [access_world.sign_in(api, login) for login in ("finch", "manager.north", "auditor", "auditor.north")]
    for who in (headers, key, *others):
        assert api.post("/v1/impersonations", json={"subject": "wren", **TERMS}, headers=who).json() == NOT_THERE
        assert get(api, "impersonations", who).json() == NOT_THERE
        assert api.post(f"/v1/impersonations/{impersonation}/end", headers=who).json() == NOT_THERE
    world.change("insert into operational.principal_role (principal_id, role) values (%s, 'platform_admin')",
                 account(world, "wren"))  # fmt: skip
    assert get(api, "me/profile", headers).status_code == 200
    world.change("update operational.principal_role set revoked_at = now() where role = 'platform_admin'"
                 " and principal_id = %s", account(world, "wren"))  # fmt: skip
    nested = world.look("select policies from audit.access_event where action = 'impersonation.open'"
                        " and acting_for is not null")  # fmt: skip
    assert (["impersonated-only-reads"],) in nested


@pytest.mark.check(31)
def test_an_impersonation_ends_at_once_by_time_by_any_admin_and_only_once(world: World, api: Api) -> None:
    for login in ("admin", "admin.too"):
        impersonation, headers = act_as(api, "wren")
        listed = get(api, "impersonations", access_world.sign_in(api, login)).json()["impersonations"]
        assert (impersonation, "wren", "admin", REASON, TICKET) in [
            (one["id"], one["subject"], one["actor"], one["reason"], one["ticket"]) for one in listed
        ]
        assert get(api, "me/profile", headers).status_code == 200
        assert end(api, impersonation, login).json()["id"] == impersonation
        assert get(api, "me/profile", headers).status_code == 401
        for again in (impersonation, str(uuid4()), "no-id", "%00"):
            assert end(api, again, login).json() == NOT_THERE
    impersonation, headers = act_as(api, "wren")
    world.change("update operational.impersonation set starts_at = now() - interval '1 hour', ends_at = now()"
                 " where impersonation_id = %s", impersonation)  # fmt: skip
    assert get(api, "me/profile", headers).status_code == 401
    assert end(api, impersonation).json() == NOT_THERE
    listed = get(api, "impersonations", access_world.sign_in(api, "admin")).json()["impersonations"]
    assert impersonation not in [one["id"] for one in listed]


@pytest.mark.check(31)
@pytest.mark.parametrize("login", ["admin.too", "wren"])
def test_it_ends_with_the_actors_role_and_with_either_account(world: World, api: Api, login: str) -> None:
    _, headers = act_as(api, "wren", "admin.too")
    of = account(world, login)
    changes = [("principal set disabled_at", "principal_id = %s")]
    if login != "wren":
        changes.append(("principal_role set revoked_at", "role = 'platform_admin' and principal_id = %s"))
    for change, where in changes:
        assert get(api, "me/profile", headers).status_code == 200
        world.change(f"update operational.{change} = now() where {where}", of)
        assert get(api, "me/profile", headers).status_code == 401
        world.change(f"update operational.{change} = null where {where}", of)
    assert get(api, "me/profile", headers).status_code == 200


def test_opening_asks_for_the_admins_code(world: World, api: Api) -> None:
    token = issuing.open_issuer(world.server).issue(account(world, "admin"))
    asked = {"subject": "wren", **TERMS}
    answer = api.post("/v1/impersonations", json=asked, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:cloister:problem:code-needed")


@pytest.mark.check(31)
def test_contacts_are_absent_whoever_is_looked_at(world: World, api: Api) -> None:
    _, headers = act_as(api, "finch")
    for path in ("me/profile", f"me/dependents/{world.guardianship}/profile"):
        answer = get(api, path, headers)
        assert set(answer.json()) == {"name", "birth_date", "sex", "blood_type", "allergies", "chronic_conditions",
                                      "insurance_type", "insurance_payer"}  # fmt: skip
        assert not [value for value in CONTACTS.values() if value in answer.text]
        assert get(api, path, access_world.sign_in(api, "finch")).json()["phone"] == CONTACTS["phone"]


def test_the_token_is_no_browsers_session(api: Api) -> None:
    """So whoever acts as a patient ends none of their sessions and sets up no codes."""
    _, headers = act_as(api, "wren")
    api.cookies.clear()
    cookie = {**headers, "Cookie": f"cloister_session={headers['Authorization'].removeprefix('Bearer ')}"}
    for method, path in (("GET", "/sessions"), ("POST", "/sessions/end-others"), ("POST", "/sign-in/set-up")):
        assert api.request(method, path, headers=cookie).status_code == 401
