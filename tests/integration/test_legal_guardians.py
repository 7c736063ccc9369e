"""Who cannot agree has a guardian by law: proposed by one, confirmed by another, redeemed by who proves the address."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import access_world
import psycopg
import pytest
from access_world import FINCH, HERON, WREN, Api, World
from browsing import Browsers
from families import NOT_THERE, call, dependents, join
from httpx import Response
from legal import ADDRESS, COURT, confirm, confirmed, end, listed, own, propose, sent_codes, standing
from posting import canary_free, give_email
from psycopg import sql

from api.database import make_pool
from api.legal_guardians.expiring import forget_expired
from infra.database import connect
from infra.migrations.runner import FOLDER
from infra.roles import Group, Login
from policies.guardianship import years_after
from tests.utc import today


@pytest.fixture
def fresh(fresh: World) -> World:
    """Wren is of age, and a patient of north; Heron has proven an address."""
    fresh.change("update operational.profile set birth_date = '1950-01-01' where person_id = %s", fresh.people[WREN])
    give_email(fresh, HERON, ADDRESS)
    return fresh


@pytest.fixture
def asked(fresh: World) -> Iterator[Api]:
    with access_world.client(fresh.server) as api:
        yield api


def test_two_bring_it_about_and_the_third_redeems_what_came_by_mail(fresh: World, asked: Api) -> None:
    proposed = propose(asked, fresh)
    assert proposed.status_code == 201 and set(proposed.json()) == {"id", "expires_at"}, "no code"
    which = proposed.json()["id"]
    assert sent_codes(fresh) == [], "nothing goes out before it is confirmed"
    (seen,) = listed(asked, "manager.north")
    assert (seen["name"], seen["email"], seen["state"], seen["own"]) == (WREN, ADDRESS, "proposed", False)
    answer = confirm(asked, which)
    assert answer.status_code == 200 and set(answer.json()) == {"id", "expires_at"}, answer.text
    ((to, code),) = sent_codes(fresh)
    assert to == ADDRESS
    assert join(asked, "heron", code).status_code == 201
    assert join(asked, "finch", code).json() == NOT_THERE, "good once"
    assert [each["name"] for each in dependents(asked, "heron")] == [WREN]
    assert [each["state"] for each in listed(asked, "manager.north")] == ["redeemed"]
    kept = fresh.look(
        "select a.login, m.login, i.document, i.contact is null, i.guardianship_id is not null"
        " from operational.guardian_invitation as i"
        " inner join operational.principal as a on a.principal_id = i.recorded_by"
        " inner join operational.principal as m on m.principal_id = i.confirmed_by"
    )
    assert kept == [("admin", "manager.north", "52 XVII 123/26", True, True)]
    events = fresh.look(
        "select e.action, e.role, d.patient_id from audit.access_event as e"
        " inner join audit.disclosure as d using (event_id)"
        " where e.action in ('guardian.appoint', 'guardian.confirm') and e.decision = 'permit' order by 1"
    )
    wren = fresh.patients["north", WREN]
    assert events == [("guardian.appoint", "platform_admin", wren), ("guardian.confirm", "clinic_manager", wren)]


@pytest.mark.check(51)
def test_where_the_code_goes_and_the_code_lie_in_clear_nowhere(fresh: World, asked: Api) -> None:
    assert confirm(asked, propose(asked, fresh).json()["id"]).status_code == 200
    # Sending empties the row: what it held until then is looked at.
    waiting = fresh.look("select m::text from operational.message as m where m.content is not null")
    ((_, code),) = sent_codes(fresh)
    assert any(",guardian_code," in text for (text,) in waiting)
    with access_world.connect_admin(fresh.server) as admin:
        for canary in (ADDRESS, code):
            assert not any(canary in text or canary.encode().hex() in text for (text,) in waiting)
            assert canary_free(admin, "operational.guardian_invitation", canary)
            assert canary_free(admin, "audit.access_event", canary)


def test_where_the_code_goes_is_forgotten_once_it_ran_out(fresh: World, asked: Api) -> None:
    async def forgetting() -> int:
        pool = make_pool(fresh.server, timeout_ms=5000)
        async with pool:
            return await forget_expired(pool)

    old, waiting = (propose(asked, fresh).json()["id"] for _ in range(2))
    assert asyncio.run(forgetting()) == 0
    fresh.change("update operational.guardian_invitation set made_at = made_at - interval '8 days',"
                 " expires_at = expires_at - interval '8 days' where invitation_id = %s", old)  # fmt: skip
    assert asyncio.run(forgetting()) == 1 and asyncio.run(forgetting()) == 0
    kept = fresh.look("select invitation_id::text from operational.guardian_invitation where contact is not null")
    assert kept == [(waiting,)]


@pytest.mark.check(33)
def test_the_adult_takes_no_proposal_back_as_if_it_were_their_own_invitation(fresh: World, asked: Api) -> None:
    which = propose(asked, fresh).json()["id"]
    assert call(asked, "wren", "DELETE", f"me/invitations/{which}").json() == NOT_THERE
    assert [each["state"] for each in listed(asked, "manager.north")] == ["proposed"]


def test_contested_ones_are_listed_first_and_what_is_redeemed_last(
    fresh: World, asked: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    contested = propose(asked, fresh).json()["id"]
    assert call(asked, "wren", "POST", f"me/legal-guardians/{contested}/contest").status_code == 200
    waiting, redeemed = propose(asked, fresh).json()["id"], standing(asked, fresh)
    assert [each["id"] for each in listed(asked, "manager.north")] == [contested, waiting, redeemed]
    monkeypatch.setattr("api.legal_guardians.repository.MOST", 2)
    assert end(asked, redeemed, "admin").status_code == 204
    assert [each["id"] for each in listed(asked, "manager.north")] == [contested, waiting]


def test_whoever_proposed_it_does_not_confirm_it_with_any_role(fresh: World, asked: Api) -> None:
    which = propose(asked, fresh).json()["id"]
    assert confirm(asked, which, "admin").json() == NOT_THERE, "no manager"
    fresh.change(
        "insert into operational.principal_role (principal_id, role, clinic_id)"
        " select principal_id, 'clinic_manager', %s from operational.principal where login = 'admin'",
        fresh.clinic_ids["north"],
    )
    answer = confirm(asked, which, "admin")
    assert (answer.status_code, answer.json()["errors"][0]["rule"]) == (409, "own_proposal")
    # Whatever the service thought: the database takes no confirmation by the same account.
    same = (
        "update operational.guardian_invitation set confirmed_by = recorded_by, confirmed_at = clock_timestamp(),"
        " document = 'x', code_hash = decode(repeat('00', 32), 'hex')"
    )
    with connect(Login.SERVICE, at=fresh.server) as service, service.transaction():
        service.execute("select set_config('cloister.person_id', %s, true)", [str(fresh.people[WREN])])
        with pytest.raises(psycopg.errors.CheckViolation), service.transaction():
            service.execute(same)
    assert fresh.look("select confirmed_at, code_hash from operational.guardian_invitation") == [(None, None)]


def test_whom_the_proposing_admin_made_a_manager_does_not_confirm_it(fresh: World, asked: Api) -> None:
    which = propose(asked, fresh).json()["id"]
    staff = fresh.look("select principal_id from operational.principal where login = 'staff.north'")[0][0]
    given = {"role": "clinic_manager", "clinic": "north"}
    assert call(asked, "admin", "POST", f"accounts/{staff}/roles/give", given).status_code < 300
    answer = confirm(asked, which, "staff.north")
    assert (answer.status_code, answer.json()["errors"][0]["rule"]) == (409, "own_proposal")
    assert listed(asked, "staff.north")[0]["own"] is True
    given_by = "select p.login from operational.principal_role as r inner join operational.principal as p"
    assert fresh.look(f"{given_by} on p.principal_id = r.given_by") == [("admin",)]
    theirs = propose(asked, fresh, "admin.too").json()["id"]
    answer = confirm(asked, theirs, "staff.north")
    assert (answer.status_code, answer.json()["errors"][0]["rule"]) == (409, "new_manager"), "another admin's"
    fresh.change("update operational.principal_role set granted_at = granted_at - interval '30 days'")
    assert confirm(asked, which, "staff.north").status_code == 409, "of the own admin never"
    assert confirm(asked, theirs, "staff.north").status_code == 200


def test_who_gave_a_role_before_it_was_kept_is_found_in_the_log(fresh: World, asked: Api) -> None:
    staff = fresh.look("select principal_id from operational.principal where login = 'staff.north'")[0][0]
    given = {"role": "clinic_manager", "clinic": "north"}
    for login, step in (("admin.too", "give"), ("admin", "end"), ("admin", "give")):
        assert call(asked, login, "POST", f"accounts/{staff}/roles/{step}", given).status_code < 300
    assert call(asked, "manager.north", "POST", f"accounts/{staff}/roles/give", given).json() == NOT_THERE
    fresh.change("update operational.principal_role set given_by = null")
    which = propose(asked, fresh).json()["id"]
    with access_world.connect_admin(fresh.server) as admin:
        admin.execute(sql.SQL("set role {}").format(sql.Identifier(fresh.server.roles.of(Group.OWNER))))
        admin.execute((FOLDER / "platform/versions/p0037_role_givers.sql").read_text())
    found = fresh.look(
        "select r.role, c.slug, g.login from operational.principal_role as r"
        " inner join operational.principal as g on g.principal_id = r.given_by"
        " left join operational.clinic as c using (clinic_id)"
    )
    assert found == [("clinic_manager", "north", "admin")], "the newest permitted one, of no other role"
    answer = confirm(asked, which, "staff.north")
    assert (answer.status_code, answer.json()["errors"][0]["rule"]) == (409, "own_proposal")


@pytest.mark.check(7)
@pytest.mark.parametrize("login", ["manager.south", "staff.north", "specialist.north", "wren", "heron", "auditor"])
def test_nobody_but_a_manager_of_that_clinic_confirms_lists_or_ends(fresh: World, asked: Api, login: str) -> None:
    which = propose(asked, fresh).json()["id"]
    for clinic in ("north", "south"):
        assert confirm(asked, which, login, clinic).json() == NOT_THERE
        assert end(asked, which, login, clinic).json() == NOT_THERE
    assert call(asked, login, "GET", "clinics/north/legal-guardians").json() == NOT_THERE
    assert fresh.look("select confirmed_at, revoked_at from operational.guardian_invitation") == [(None, None)]


@pytest.mark.check(7)
@pytest.mark.parametrize("login", ["staff.north", "manager.north", "specialist.north", "wren", "finch", "auditor"])
def test_nobody_but_an_admin_proposes(world: World, api: Api, login: str) -> None:
    assert propose(api, world, login).json() == NOT_THERE
    assert propose(api, world, clinic="south").json() == NOT_THERE
    assert world.look("select count(*) from operational.guardian_invitation where basis is not null") == [(0,)]


@pytest.mark.parametrize("case", ["another", "unproven", "none"])
def test_the_code_is_good_for_who_has_proven_that_address_alone(fresh: World, asked: Api, case: str) -> None:
    _, code = confirmed(asked, fresh)
    if case == "another":
        give_email(fresh, FINCH, "finch@example.org")
    if case == "unproven":
        give_email(fresh, FINCH, ADDRESS, verified=False)
    assert join(asked, "finch", code).json() == NOT_THERE
    assert join(asked, "heron", code).status_code == 201, "and it is not used up"


@pytest.mark.parametrize("role", ["platform_admin", "proposed", "confirmed"])
def test_no_admin_and_nobody_who_brought_it_about_redeems_it(fresh: World, asked: Api, role: str) -> None:
    _, code = confirmed(asked, fresh)
    heron = "select principal_id from operational.principal where login = 'heron'"
    if role == "platform_admin":
        fresh.change(
            f"insert into operational.principal_role (principal_id, role) select q.*, %s from ({heron}) as q", role
        )
        access_world.account_care.enrol(fresh.server, "heron", access_world.TOTP)
        headers = _with_code(fresh, asked, "heron")
    else:
        column = {"proposed": "recorded_by", "confirmed": "confirmed_by"}[role]
        fresh.change(f"update operational.guardian_invitation set {column} = ({heron})")
        headers = access_world.sign_in(asked, "heron")
    body = {"code": code, "relationship": "guardian"}
    assert asked.post("/v1/me/guardianships", headers=headers, json=body).json() == NOT_THERE
    assert fresh.look("select count(*) from operational.guardianship where basis is not null") == [(0,)]


def _with_code(world: World, api: Api, login: str) -> dict[str, str]:
    code = access_world.fresh_code(world.server, login)
    form = {"username": login, "password": access_world.PASSWORD, "code": code}
    return {"Authorization": f"Bearer {api.post('/v1/token', data=form).json()['access_token']}"}


@pytest.mark.check(33)
def test_the_adult_is_told_and_sees_it_from_the_proposal_on(fresh: World, asked: Api) -> None:
    def told() -> list[str]:
        query = "select p.name from operational.message as m inner join operational.person as p using (person_id)"
        return [name for (name,) in fresh.look(f"{query} where m.kind = 'guardian_notice' order by m.created_at")]

    which = propose(asked, fresh).json()["id"]
    (seen,) = own(asked)
    assert (seen["id"], seen["state"], seen["clinic"], seen["basis"]) == (which, "proposed", "north", "court_order")
    log = call(asked, "wren", "GET", "me/access-log").json()["accesses"]
    assert "guardian.appoint" in {each["action"] for each in log}
    assert confirm(asked, which).status_code == 200
    assert told() == [WREN] and [each["state"] for each in own(asked)] == ["confirmed"]
    ((_, code),) = sent_codes(fresh)
    assert join(asked, "heron", code).status_code == 201
    assert told() == [WREN, WREN]
    (guardian,) = call(asked, "wren", "GET", "me/guardians").json()["guardians"]
    assert (guardian["name"], guardian["basis"], guardian["until"]) == (HERON, "court_order", COURT["until"])
    path = f"clinics/north/patients/{fresh.patients['north', WREN]}/guardians"
    (found,) = call(asked, "staff.north", "GET", path).json()["guardians"]
    assert (found["name"], found["basis"], found["until"]) == (HERON, "court_order", COURT["until"]), "staff sees it"
    fresh.change("update operational.guardianship set starts_on = current_date - 9, ends_on = current_date"
                 " where basis is not null")  # fmt: skip
    assert dependents(asked, "heron") == [] and call(asked, "wren", "GET", "me/guardians").json() == {"guardians": []}
    assert [each["state"] for each in own(asked)] == ["ended"]


@pytest.mark.check(33)
@pytest.mark.parametrize("login", ["admin", "manager.north"])
def test_an_admin_or_a_manager_ends_it_at_once_and_both_are_told(fresh: World, asked: Api, login: str) -> None:
    which = standing(asked, fresh)
    fresh.change("update operational.message set state = 'sent', sent_at = now() where state = 'pending'"
                 " and kind = 'guardian_notice'")  # fmt: skip
    assert end(asked, which, login).status_code == 204
    assert dependents(asked, "heron") == [] and listed(asked, "admin") == []
    assert end(asked, which, login).json() == NOT_THERE, "once"
    told = fresh.look(
        "select p.name from operational.message as m inner join operational.person as p using (person_id)"
        " where m.kind = 'guardian_notice' and m.state = 'pending' order by 1"
    )
    assert told == [(HERON,), (WREN,)]
    by = fresh.look(
        "select p.login, g.end_reason from operational.guardianship as g"
        " inner join operational.principal as p on p.principal_id = g.ended_by where g.basis is not null"
    )
    assert by == [(login, "no_longer")]
    events = fresh.look(
        "select d.patient_id from audit.access_event as e inner join audit.disclosure as d using (event_id)"
        " where e.action = 'guardian.revoke' and e.decision = 'permit'"
    )
    assert events == [(fresh.patients["north", WREN],)]


@pytest.mark.parametrize("when", ["proposed", "confirmed"])
def test_what_nobody_redeemed_is_taken_back(fresh: World, asked: Api, when: str) -> None:
    which, code = (propose(asked, fresh).json()["id"], "x" * 32) if when == "proposed" else confirmed(asked, fresh)
    assert end(asked, which, "manager.north").status_code == 204
    assert join(asked, "heron", code).json() == NOT_THERE
    assert confirm(asked, which).json() == NOT_THERE
    assert [each["state"] for each in own(asked)] == ["ended"]
    assert fresh.look("select revoke_reason, contact from operational.guardian_invitation") == [("no_longer", None)]


def test_a_proposal_lasts_a_week(fresh: World, asked: Api) -> None:
    which = propose(asked, fresh).json()["id"]
    fresh.change("update operational.guardian_invitation set made_at = made_at - interval '8 days',"
                 " expires_at = expires_at - interval '8 days'")  # fmt: skip
    assert confirm(asked, which).json() == NOT_THERE
    assert listed(asked, "manager.north") == [] and [each["state"] for each in own(asked)] == ["ended"]


@pytest.mark.check(33)
def test_the_adult_ends_it(fresh: World, asked: Api) -> None:
    standing(asked, fresh)
    (found,) = call(asked, "wren", "GET", "me/guardians").json()["guardians"]
    assert call(asked, "wren", "DELETE", f"me/guardians/{found['id']}", {"reason": "no_longer"}).status_code == 200
    assert dependents(asked, "heron") == [] and listed(asked, "manager.north") == []


def test_the_adult_says_no_and_those_who_can_end_it_are_told_and_see_it(fresh: World, asked: Api) -> None:
    which = propose(asked, fresh).json()["id"]
    path = f"me/legal-guardians/{which}/contest"
    for login in ("finch", "heron", "admin", "manager.north"):
        assert call(asked, login, "POST", path).json() == NOT_THERE
    # A manager who is somebody's account as well has an address.
    fresh.change("update operational.principal set person_id = null where login = 'finch'")
    fresh.change("update operational.principal set person_id = %s where login = 'manager.north'", fresh.people[FINCH])
    answer = call(asked, "wren", "POST", path)
    assert answer.status_code == 200, answer.text
    assert call(asked, "wren", "POST", path).json() == NOT_THERE, "once"
    assert own(asked)[0]["contested_at"] == answer.json()["contested_at"] is not None
    for login in ("manager.north", "admin"):
        assert listed(asked, login)[0]["contested_at"] is not None
    told = fresh.look("select person_id from operational.message where kind = 'guardian_contested'")
    assert told == [(fresh.people[FINCH],)]
    events = fresh.look(
        "select resource_id, clinic_id from audit.access_event"
        " where action = 'guardian.contest' and decision = 'permit'"
    )
    assert events == [(which, fresh.clinic_ids["north"])]


def test_an_admin_sees_no_patient_by_name(fresh: World, asked: Api) -> None:
    propose(asked, fresh)
    (seen,) = listed(asked, "admin")
    assert (seen["name"], seen["email"], seen["own"]) == (None, None, True)
    assert seen["patient"] == str(fresh.patients["north", WREN])
    disclosed = fresh.look(
        "select d.patient_id from audit.access_event as e inner join audit.disclosure as d using (event_id)"
        " where e.action = 'guardian.review'"
    )
    assert disclosed == [(fresh.patients["north", WREN],)]


@pytest.mark.check(41)
@pytest.mark.parametrize(("field", "value", "rule"), [("basis", "a story", "enum"), ("email", "nobody", "not_valid")])
def test_what_is_no_proposal_is_refused_by_its_place(world: World, api: Api, field: str, value: str, rule: str) -> None:
    check_refused(propose(api, world, **{field: value}), field, rule)


def check_refused(answer: Response, field: str, rule: str) -> None:
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"place": f"body.{field}", "rule": rule}]


@pytest.mark.check(41)
def test_it_lasts_five_years_at_most_and_a_day_at_least(fresh: World, asked: Api) -> None:
    first, last, day = today() + timedelta(days=1), years_after(today(), 5), timedelta(days=1)
    for until, rule in ((first - day, "past"), (last + day, "too_far_ahead")):
        check_refused(propose(asked, fresh, until=str(until)), "until", rule)
    for until in (first, last):
        assert propose(asked, fresh, until=str(until)).status_code == 201


def test_a_confirmation_names_its_document(fresh: World, asked: Api) -> None:
    which = propose(asked, fresh).json()["id"]
    for body, place in (
        (None, "body"),
        ({"document": " "}, "body.document"),
        ({"document": "\u202ex"}, "body.document"),
    ):
        answer = confirm(asked, which, body=body)
        assert (answer.status_code, answer.json()["errors"][0]["place"]) == (422, place)


@pytest.mark.check(33)
def test_nobody_under_age_or_of_no_known_age_has_one_by_law(fresh: World, asked: Api) -> None:
    waiting = propose(asked, fresh).json()["id"]
    _, code = confirmed(asked, fresh)
    for born in (str(today() - timedelta(days=3000)), None):
        fresh.change("update operational.profile set birth_date = %s where person_id = %s", born, fresh.people[WREN])
        for refused in (propose(asked, fresh), confirm(asked, waiting)):
            assert refused.status_code == 409 and refused.json()["errors"][0]["rule"] == "not_of_age"
        assert join(asked, "heron", code).json() == NOT_THERE, "nor by a code of before"


def test_it_goes_by_pages_as_well(fresh: World, asked: Api) -> None:
    browsers, at = Browsers(asked), "/clinics/north/legal-guardians"
    patient = str(fresh.patients["north", WREN])
    wrong = browsers.post("admin", at, at, 422, **{**COURT, "patient": patient, "email": "nobody"})
    assert "This is not in the form that is needed." in wrong.text and patient in wrong.text
    assert "no such patient" in browsers.post("admin", at, at, 404, **COURT, patient="nobody").text
    browsers.post("admin", at, at, **COURT, patient=patient)
    assert WREN not in browsers.get("admin", at).text
    shown = browsers.get("manager.north", at).text
    (which,) = [each["id"] for each in listed(asked, "manager.north")]
    assert WREN in shown and ADDRESS in shown and f'action="{at}/{which}/confirm"' in shown
    assert "This is needed." in browsers.post("manager.north", f"{at}/{which}/confirm", at, 422, document="").text
    browsers.post("manager.north", f"{at}/{which}/confirm", at, document="52 XVII 123/26")
    assert "Guardians by law" in browsers.get("wren", "/me/family").text
    browsers.post("wren", f"/me/family/by-law/{which}/contest", "/me/family")
    assert "You said that this is not right" in browsers.get("wren", "/me/family").text
    assert "Contested by the patient" in browsers.get("admin", at).text
    browsers.post("admin", f"{at}/{which}/end", at, reason="mistake")
    assert "Nothing is proposed" in browsers.get("manager.north", at).text
    browsers.get("staff.north", at, 404)
