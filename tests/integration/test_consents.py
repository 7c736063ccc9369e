"""People sign and revoke in their own hand, by the newest text; nobody else does, and the state is told as it is."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import access_world
import psycopg
import pytest
from access_world import CHICK, FINCH, WREN, Api, World

from infra.consent_grace import set_consent_grace
from infra.database import connect, connect_admin, set_context
from infra.errors import InvalidInput
from infra.roles import Login
from policies.guardianship import of_age_on
from tests.integration.waiting import until_somebody_waits
from tests.utc import today

NOT_THERE = {"type": "urn:cloister:problem:not-there", "title": "There is nothing here.", "status": 404}
SHOWN = {"text_version": "v1", "sha256": "00" * 32}


def call(api: Api, login: str, method: str, path: str, body: Any = None, **query: Any) -> Any:
    headers = access_world.sign_in(api, login)
    return api.request(method, f"/v1/{path}", headers=headers, json=body, params=query)


def sign(api: Api, login: str, clinic: str = "north", whose: str = "me", **other: Any) -> Any:
    body = {"clinic": clinic, "purpose": "profile_sharing", **SHOWN, **other}
    return call(api, login, "POST", f"{whose}/consents", body)


def revoke(api: Api, login: str, clinic: str = "north", whose: str = "me") -> Any:
    return call(api, login, "POST", f"{whose}/consents/revoke", {"clinic": clinic, "purpose": "profile_sharing"})


def state(api: Api, login: str, clinic: str = "north", whose: str = "me", **query: Any) -> Any:
    found = call(api, login, "GET", f"{whose}/consents", **query).json()["consents"]
    (one,) = [each for each in found if (each["clinic"], each["purpose"]) == (clinic, "profile_sharing")]
    return one


def shared(world: World, api: Api, clinic: str, name: str) -> bool:
    headers = {"Authorization": f"Bearer {world.keys[f'{clinic}.contact']}"}
    found = api.get(f"/v1/clinics/{clinic}/patients/{world.patients[clinic, name]}/profile", headers=headers)
    assert found.status_code == 200
    return "birth_date" in found.json()


@pytest.mark.check(11)
@pytest.mark.check(13)
def test_signed_for_one_clinic_shows_there_and_nowhere_else_until_it_is_revoked(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        assert state(api, "wren")["state"] == "never" and not shared(fresh, api, "north", WREN)
        assert sign(api, "wren").status_code == 201
        assert shared(fresh, api, "north", WREN) and not shared(fresh, api, "south", FINCH)
        told = state(api, "wren")
        assert (told["state"], told["signed_by"], told["channel"]) == ("signed", "self", "app")
        assert revoke(api, "wren").status_code == 201
        assert state(api, "wren")["state"] == "revoked" and not shared(fresh, api, "north", WREN)
        assert revoke(api, "wren").status_code == 409
    tombstones = fresh.look("select patient_id from operational.profile_tombstone where cleared_at is null")
    assert tombstones == [(fresh.patients["north", WREN],)]
    kinds = fresh.look("select kind from operational.consent_event where person_id = %s order by occurred_at",
                       fresh.people[WREN])  # fmt: skip
    assert kinds == [("signed",), ("revoked",)]
    # Event, tombstone and what tells the mart are of one transaction.
    at_once = fresh.look(
        "select t.xmin = e.xmin, count(o.*) from operational.consent_event as e"
        " inner join operational.registration as r using (clinic_id, person_id)"
        " inner join operational.profile_tombstone as t using (clinic_id, patient_id)"
        " left join operational.outbox as o on o.patient_id = r.patient_id and o.xmin = e.xmin"
        " where e.person_id = %s and e.kind = 'revoked' group by 1", fresh.people[WREN],
    )  # fmt: skip
    assert at_once == [(True, 1)]


@pytest.mark.check(17)
@pytest.mark.parametrize(
    ("changed", "status", "place"),
    [
        ({"text_version": "v2"}, 409, "body.text_version"),
        ({"sha256": "11" * 32}, 409, "body.sha256"),
        ({"sha256": "short"}, 422, "body.sha256"),
        ({"purpose": "everything"}, 422, "body.purpose"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, 422, "body.expires_at"),
        ({"signer": "somebody"}, 422, "body"),
    ],
)
def test_what_is_not_signed_as_it_was_shown_is_refused_by_name(
    world: World, api: Api, changed: dict[str, str], status: int, place: str
) -> None:
    answer = sign(api, "wren", **changed)
    assert answer.status_code == status and answer.json()["errors"][0]["place"] == place
    assert not shared(world, api, "north", WREN)


@pytest.mark.check(17)
def test_a_draft_is_no_text(world: World, api: Api) -> None:
    """What is not published cannot be signed, whatever digest somebody knows."""
    digest = hashlib.sha256(b"a draft").hexdigest()
    assert sign(api, "wren", text_version="draft", sha256=digest).status_code == 409


@pytest.mark.check(17)
@pytest.mark.parametrize("login", ["staff.north", "specialist.north", "manager.north", "admin", "auditor", "roleless"])
def test_nobody_but_the_person_signs(world: World, api: Api, login: str) -> None:
    assert sign(api, login).json() == NOT_THERE
    assert revoke(api, login).json() == NOT_THERE


def test_a_key_signs_nothing(world: World, api: Api) -> None:
    headers = {"Authorization": f"Bearer {world.keys['north.contact']}"}
    body = {"clinic": "north", "purpose": "profile_sharing", **SHOWN}
    assert api.post("/v1/me/consents", headers=headers, json=body).json() == NOT_THERE


@pytest.mark.check(7)
@pytest.mark.parametrize("clinic", ["south", "nowhere", "a'b"])
def test_a_clinic_of_somebody_else_is_like_none(world: World, api: Api, clinic: str) -> None:
    assert sign(api, "wren", clinic).json() == NOT_THERE
    assert revoke(api, "wren", clinic).json() == NOT_THERE


@pytest.mark.check(17)
@pytest.mark.parametrize("signer", [FINCH, WREN], ids=["a stranger", "not who asks"])
def test_the_wall_takes_no_signature_of_somebody_else(world: World, signer: str) -> None:
    """Wren's consent in Finch's hand, and in Wren's while Finch asks."""
    with connect(Login.SERVICE, at=world.server) as connection:
        set_context(connection, clinic_id=world.clinic_ids["north"], person_id=world.people[WREN])
        connection.execute("select set_config('cloister.actor_id', %s, true)", [str(world.people[FINCH])])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(
                "insert into operational.consent_event (clinic_id, person_id, purpose, kind, text_version, signer_id,"
                " channel, occurred_at) values (%s, %s, 'profile_sharing', 'signed', 'v1', %s, 'app', now())",
                [world.clinic_ids["north"], world.people[WREN], world.people[signer]],
            )


@pytest.mark.check(18)
def test_two_signings_at_once_leave_one_state_and_the_whole_history(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        headers, start = access_world.sign_in(api, "wren"), threading.Barrier(8)
        body = {"clinic": "north", "purpose": "profile_sharing", **SHOWN}

        def one(_: int) -> str:
            start.wait()
            answer = api.post("/v1/me/consents", headers=headers, json=body)
            assert answer.status_code == 201
            return str(answer.json()["id"])

        with ThreadPoolExecutor(8) as pool:
            ids = set(pool.map(one, range(8)))
    wren = fresh.people[WREN]
    events = fresh.look("select event_id, occurred_at from operational.consent_event where person_id = %s"
                        " order by occurred_at desc", wren)  # fmt: skip
    assert {str(event) for event, _ in events} == ids and len(ids) == 8
    assert fresh.look("select event_id, state from operational.consent where person_id = %s", wren) == [
        (events[0][0], "signed")
    ]


@pytest.mark.check(14)
def test_no_read_begun_after_a_revocation_returns_the_profile(fresh: World) -> None:
    """1,000 reads while the consent is revoked: what was asked for after the answer to the revocation is a name."""
    with access_world.client(fresh.server) as api:
        key = {"Authorization": f"Bearer {fresh.keys['north.contact']}"}
        reader = {"Authorization": f"Bearer {fresh.keys['north.profile']}"}
        ways = (
            (f"/v1/clinics/north/patients/{fresh.patients['north', FINCH]}/profile", key),
            ("/v1/clinics/north/segments/everybody/members", reader),
        )
        headers, revoked = access_world.sign_in(api, "finch"), threading.Event()
        body = {"clinic": "north", "purpose": "profile_sharing"}

        def read(number: int) -> tuple[bool, bool]:
            if number == 300:
                assert api.post("/v1/me/consents/revoke", headers=headers, json=body).status_code == 201
                revoked.set()
            after = revoked.is_set()
            path, who = ways[number % 2]
            answer = api.get(path, headers=who)
            assert answer.status_code == 200
            return after, "birth_date" in answer.text

        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(read, range(1000)))
    assert (True, True) not in found
    assert {(False, True), (True, False)} <= set(found)


@pytest.mark.check(48)
def test_a_revocation_waits_for_a_writer_of_the_mart(fresh: World) -> None:
    """Who writes the mart holds the clinic's lock: what it read before is written before, and cleaned after."""
    with access_world.client(fresh.server) as api, connect(Login.PIPELINE, at=fresh.server) as writer:
        headers, done = access_world.sign_in(api, "finch"), threading.Event()
        writer.execute("select operational.lock_clinic('north')")

        def late() -> int:
            body = {"clinic": "north", "purpose": "profile_sharing"}
            status = api.post("/v1/me/consents/revoke", headers=headers, json=body).status_code
            done.set()
            return status

        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(late)
            assert not done.wait(0.3), "it did not wait"
            writer.rollback()
            assert answer.result() == 201


def test_a_clinic_learns_whether_a_consent_stands_and_no_more(world: World, api: Api) -> None:
    path = "clinics/{}/patients/{}/consents"
    found = call(api, "staff.north", "GET", path.format("north", world.patients["north", FINCH])).json()
    assert found == {"consents": [{"purpose": "communications", "stands": False},
                                  {"purpose": "profile_sharing", "stands": True}]}  # fmt: skip
    for clinic, patient in (("north", world.patients["south", FINCH]), ("north", uuid4()), ("north", "x"),
                            ("south", world.patients["south", FINCH])):  # fmt: skip
        assert call(api, "staff.north", "GET", path.format(clinic, patient)).json() == NOT_THERE
    texts = call(api, "staff.north", "GET", "clinics/north/consent-texts").json()["texts"]
    assert {text["text_version"] for text in texts} == {"standard-1", "v1"}


@pytest.mark.check(33)
def test_a_guardians_signature_lapses_a_while_after_majority_unless_confirmed(fresh: World) -> None:
    fresh.register_chick()
    chick, whose = fresh.people[CHICK], f"me/dependents/{fresh.guardianship}"
    with access_world.client(fresh.server) as api:
        assert sign(api, "finch", whose=whose).status_code == 201
        told = state(api, "finch", whose=whose)
        assert (told["state"], told["signed_by"]) == ("signed", "guardian")
        ((born,),) = fresh.look("select birth_date from operational.profile where person_id = %s", chick)
        assert datetime.fromisoformat(told["ends_at"]).date() == of_age_on(born) + timedelta(days=90)
        # Signed long ago, and of age by now: for less than 90 days, then for more.
        fresh.change("update operational.guardianship set starts_on = '2000-01-01'")
        for days, stands in ((80, True), (100, False)):
            turned = today() - timedelta(days=days)
            born = turned.replace(year=turned.year - 18, day=min(turned.day, 28))
            fresh.change("alter table operational.consent_event disable trigger all")
            fresh.change("update operational.consent_event set occurred_at = now() - interval '1 year'"
                         " where person_id = %s", chick)  # fmt: skip
            fresh.change("alter table operational.consent_event enable trigger all")
            fresh.change("update operational.profile set birth_date = %s where person_id = %s", born, chick)
            assert shared(fresh, api, "north", CHICK) is stands
            assert call(api, "finch", "GET", f"{whose}/consents").json() == NOT_THERE, "access itself ended that day"
        # What counts as a while is the clinic's to say, for what was signed already as well.
        for days, stands in ((101, True), (90, False)):
            assert set_consent_grace(fresh.server, "north", days)
            assert shared(fresh, api, "north", CHICK) is stands
        admin, path = access_world.sign_in(api, "admin"), "/v1/clinics/{}/settings/retention"
        for clinic, days, stands in (("south", 101, False), ("north", 101, True), ("north", 90, False)):
            said = api.put(path.format(clinic), headers=admin, json={"consent_grace_days": days})
            assert said.status_code == 204 and shared(fresh, api, "north", CHICK) is stands
        assert not set_consent_grace(fresh.server, "north", 90)
        with pytest.raises(InvalidInput):
            set_consent_grace(fresh.server, "north", -1)
        assert sign(api, "finch", whose=whose).json() == NOT_THERE
        access_world._own_account(fresh, "chick", CHICK, [access_world.Role.PATIENT])
        assert state(api, "chick")["state"] == "lapsed"
        assert sign(api, "chick").status_code == 201
        assert shared(fresh, api, "north", CHICK) and state(api, "chick")["ends_at"] is None


@pytest.mark.check(33)
def test_a_guardian_of_one_signs_for_no_other(world: World, api: Api) -> None:
    for whose in (f"me/dependents/{uuid4()}", f"me/dependents/{world.people[WREN]}", "me/dependents/x"):
        assert sign(api, "finch", whose=whose).json() == NOT_THERE
    assert sign(api, "heron", "south", f"me/dependents/{world.guardianship}").json() == NOT_THERE


_SIGN = """
insert into operational.consent_event
    (clinic_id, person_id, purpose, kind, text_version, signer_id, channel, occurred_at)
values (%s, %s, 'profile_sharing', 'signed', 'v1', %s, 'app', clock_timestamp())"""
_PUBLISH = """
insert into operational.consent_text (clinic_id, purpose, text_version, body, sha256, created_at, required_from)
select %s, 'profile_sharing', 'v2', 'b', sha256('b'), t.now, t.now from (select clock_timestamp() as now) as t"""
_BORN = "update operational.profile set birth_date = %s where person_id = %s"
_FALSE_ENDS = """
select count(*), count(c.expires_at), count(*) filter (where c.expires_at is distinct from n.ends_at)
from operational.consent as c inner join operational.consent_event as e on e.event_id = c.event_id
cross join lateral operational.consent_ends(
    e.clinic_id, e.person_id, e.purpose, e.text_version, e.signer_id, e.occurred_at, e.expires_at) as n
where c.person_id = %s"""


@pytest.mark.check(18)
@pytest.mark.parametrize("signed_first", [True, False])
@pytest.mark.parametrize("other", ["text", "birth date"])
def test_a_signature_and_what_ends_it_wait_for_each_other(fresh: World, other: str, signed_first: bool) -> None:
    fresh.register_chick()
    chick, north = fresh.people[CHICK], fresh.clinic_ids["north"]
    fresh.change(_BORN, None, chick)
    signing = (_SIGN, [north, chick, fresh.people[FINCH]])
    moving = (_PUBLISH, [north]) if other == "text" else (_BORN, [today() - timedelta(days=4000), chick])
    first, second = (signing, moving) if signed_first else (moving, signing)
    with connect_admin(fresh.server) as one, connect_admin(fresh.server) as two, ThreadPoolExecutor(1) as pool:
        with one.transaction():
            one.execute(*first)
            waiting = pool.submit(lambda: two.execute(*second))
            until_somebody_waits(fresh, one.info.backend_pid)
        waiting.result(timeout=30)
    assert fresh.look(_FALSE_ENDS, chick) == [(1, 1, 0)]
