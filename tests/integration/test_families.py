"""Guardians come by a child they add or a code; they go by their own will, an adult's, or majority."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import access_world
import pytest
from access_world import CHICK, FINCH, WREN, Api, World
from families import CHILD, NOT_THERE, add, call, dependents, invitation, join

from infra.database import connect_admin
from policies.guardianship import OTHER_AGES, majority_age
from policies.words import Role
from tests.integration.test_editing import edit
from tests.integration.waiting import until_somebody_waits, until_somebody_waits_for_who_waits
from tests.utc import today


def test_a_dependent_is_a_new_person_whoever_has_that_name_already(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        assert call(api, "wren", "GET", "me/dependents").json() == NOT_THERE, "no guardian yet"
        added = add(api, "wren")
        assert added.status_code == 201
        (found,) = dependents(api, "wren")
        assert found == {"id": added.json()["id"], "name": CHICK, "relationship": "parent", "since": str(today())}
        profile = call(api, "wren", "GET", f"me/dependents/{found['id']}/profile").json()
        assert profile["birth_date"] == CHILD["birth_date"]
    people = fresh.look("select count(distinct person_id) from operational.person where name = %s", CHICK)
    assert people == [(2,)]
    assert fresh.look("select majority_age from operational.guardianship where guardian_id = %s",
                      fresh.people[WREN]) == [(18,)]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [("birth_date", "1990-01-01"), ("birth_date", str(today() + timedelta(days=2))), ("name", "\u202eEve"),
     ("relationship", ""), ("sex", "x"), ("person_id", str(UUID(int=7)))],
)  # fmt: skip
def test_a_dependent_that_is_none_is_refused_by_name(world: World, api: Api, field: str, value: str) -> None:
    before = world.look("select count(*) from operational.person")
    answer = add(api, "wren", **{field: value})
    # A name that no field has is not said back.
    where = "body" if field == "person_id" else f"body.{field}"
    assert answer.status_code == 422 and answer.json()["errors"][0]["place"] == where
    assert world.look("select count(*) from operational.person") == before


@pytest.mark.check(52)
def test_those_whom_it_is_about_are_told_and_no_other_guardian_is(fresh: World) -> None:
    def told() -> list[tuple[Any, ...]]:
        return fresh.look(
            "select p.name, m.confidential from operational.message as m"
            " inner join operational.person as p using (person_id) where m.kind = 'guardian_notice'"
            " order by m.created_at, p.name"
        )

    with access_world.client(fresh.server) as api:
        # An adult agrees and ends it; a guardian brings in another one, who leaves.
        agreed = join(api, "finch", invitation(api, "wren")).json()["id"]
        assert told() == [(WREN, True)]
        call(api, "wren", "DELETE", f"me/guardians/{agreed}", {"reason": "asked"})
        assert told()[1:] == [(FINCH, True)]
        further = join(api, "heron", invitation(api, "finch", f"me/dependents/{fresh.guardianship}")).json()["id"]
        assert told()[2:] == [(CHICK, True), (FINCH, True)]
        call(api, "heron", "DELETE", f"me/dependents/{further}", {"reason": "no_longer"})
        assert told()[4:] == [(CHICK, True)]


@pytest.mark.check(34)
def test_a_child_that_went_with_the_last_guardian_is_brought_back_by_an_admin(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        child = add(api, "wren").json()["id"]
        undo = f"dependents/{child}/undo"
        called = {"emergency_contacts": [{"name": "Owl", "relationship": "aunt", "phone": "+4930901899"}]}
        edit(api, "wren", called, f"me/dependents/{child}")
        assert call(api, "admin", "POST", undo).json() == NOT_THERE, "nobody is deleted"
        assert call(api, "wren", "DELETE", f"me/dependents/{child}", {"reason": "mistake"}).status_code == 200
        assert dependents(api, "wren") == []
        assert call(api, "wren", "POST", undo).json() == NOT_THERE
        assert call(api, "admin", "POST", "dependents/nothing/undo").json() == NOT_THERE
        assert call(api, "admin", "POST", undo).status_code == 204
        assert [each["id"] for each in dependents(api, "wren")] == [child]
        assert called.items() <= call(api, "wren", "GET", f"me/dependents/{child}/profile").json().items()
        assert call(api, "admin", "POST", undo).json() == NOT_THERE
    events = fresh.look(
        "select decision, count(*) from audit.access_event where action = 'dependent.restore' group by 1"
    )
    assert dict(events) == {"permit": 1, "deny": 4}


@pytest.mark.check(34)
def test_a_child_comes_back_to_who_left_last_and_to_nobody_before(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        last = add(api, "wren").json()["id"]
        first = join(api, "heron", invitation(api, "wren", f"me/dependents/{last}")).json()["id"]
        for login, guardianship in (("heron", first), ("wren", last)):
            assert call(api, login, "DELETE", f"me/dependents/{guardianship}", {"reason": "asked"}).status_code == 200
        assert call(api, "admin", "POST", f"dependents/{first}/undo").json() == NOT_THERE
        assert call(api, "admin", "POST", f"dependents/{last}/undo").status_code == 204
        assert first not in [each["id"] for each in dependents(api, "heron")]
        assert last in [each["id"] for each in dependents(api, "wren")]


@pytest.mark.check(34)
def test_what_is_brought_back_lasts_as_long_as_before(fresh: World) -> None:
    until = str(today() + timedelta(days=90))
    with access_world.client(fresh.server) as api:
        child = add(api, "wren").json()["id"]
        fresh.change("update operational.guardianship set ends_on = %s where guardianship_id = %s", until, child)
        assert call(api, "wren", "DELETE", f"me/dependents/{child}", {"reason": "mistake"}).status_code == 200
        assert call(api, "admin", "POST", f"dependents/{child}/undo").status_code == 204
        assert [each["id"] for each in dependents(api, "wren")] == [child]
    kept = "select ends_on::text, was_until, ended_by from operational.guardianship where guardianship_id = %s"
    assert fresh.look(kept, child) == [(until, None, None)]


@pytest.mark.check(39)
def test_a_child_that_is_added_twice_by_one_key_is_one(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        headers = {**access_world.sign_in(api, "wren"), "Idempotency-Key": "once"}

        def sent(_: int) -> Any:
            return api.post("/v1/me/dependents", headers=headers, json=CHILD)

        with ThreadPoolExecutor(5) as pool:
            answers = list(pool.map(sent, range(5)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.text for answer in answers}) == 1
        other = api.post("/v1/me/dependents", headers=headers, json={**CHILD, "relationship": "aunt"})
        assert (other.status_code, other.json()["errors"][0]["rule"]) == (422, "reused")
        assert api.post("/v1/me/dependents", headers={**headers, "Idempotency-Key": ""}, json=CHILD).status_code == 422
        assert len(dependents(api, "wren")) == 1
        # Another's key of the same name is another one, and without one each is a new child.
        theirs = {**access_world.sign_in(api, "heron"), "Idempotency-Key": "once"}
        assert api.post("/v1/me/dependents", headers=theirs, json=CHILD).json() != answers[0].json()
        assert add(api, "wren").status_code == 201 and len(dependents(api, "wren")) == 2


@pytest.mark.check(33)
def test_an_adult_agrees_to_a_guardian_and_takes_it_back(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        code = invitation(api, "wren")
        assert join(api, "wren", code).status_code == 409, "nobody is their own guardian"
        assert join(api, "finch", code).status_code == 201
        assert {each["name"] for each in dependents(api, "finch")} == {CHICK, WREN}
        (guardian,) = call(api, "wren", "GET", "me/guardians").json()["guardians"]
        assert (guardian["name"], guardian["relationship"]) == (FINCH, "parent")
        path = f"me/guardians/{guardian['id']}"
        assert call(api, "heron", "DELETE", path, {"reason": "asked"}).json() == NOT_THERE
        assert call(api, "wren", "DELETE", path).status_code == 422
        assert call(api, "wren", "DELETE", path, {"reason": "asked"}).json()["ends_on"] == str(today())
        assert {each["name"] for each in dependents(api, "finch")} == {CHICK}
        assert call(api, "wren", "DELETE", path, {"reason": "asked"}).json() == NOT_THERE
        assert call(api, "wren", "GET", "me/guardians").json() == {"guardians": []}
    ended = fresh.look("select ended_by, end_reason from operational.guardianship where agreed")
    assert ended == [(fresh.people[WREN], "asked")]


@pytest.mark.check(33)
def test_a_guardian_of_an_adult_brings_in_no_other(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        whose = f"me/dependents/{join(api, 'finch', invitation(api, 'wren')).json()['id']}"
        answer = call(api, "finch", "POST", f"{whose}/invitations")
        assert (answer.status_code, answer.json()["errors"][0]["rule"]) == (409, "of_age")
        # Nor by a code from before the dependent came of age.
        code = invitation(api, "finch", f"me/dependents/{fresh.guardianship}")
        fresh.change("update operational.guardianship set agreed = true")
        fresh.change("update operational.profile set birth_date = '1990-01-01' where person_id = %s",
                     fresh.people[CHICK])  # fmt: skip
        assert join(api, "heron", code).json() == NOT_THERE


def test_a_child_agrees_to_nobody_and_ends_nothing(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        access_world._own_account(fresh, "chick", CHICK, [Role.PATIENT])
        assert call(api, "chick", "POST", "me/invitations").status_code == 409
        answer = call(api, "chick", "DELETE", f"me/guardians/{fresh.guardianship}", {"reason": "asked"})
        assert answer.status_code == 409
        assert dependents(api, "finch")


@pytest.mark.check(33)
@pytest.mark.check(34)
def test_who_leaves_sees_nothing_that_day_and_the_last_one_takes_the_child_along(fresh: World) -> None:
    whose = f"me/dependents/{fresh.guardianship}"
    with access_world.client(fresh.server) as api:
        assert join(api, "wren", invitation(api, "finch", whose)).status_code == 201
        assert call(api, "finch", "DELETE", whose).status_code == 422
        assert call(api, "finch", "DELETE", whose, {"reason": "no_longer"}).status_code == 200
        assert dependents(api, "finch") == [] and call(api, "finch", "GET", f"{whose}/profile").json() == NOT_THERE
        (found,) = dependents(api, "wren")
        assert call(api, "wren", "DELETE", f"me/dependents/{found['id']}", {"reason": "mistake"}).status_code == 200
    ((deleted_by, reason),) = fresh.look(
        "select deleted_by, delete_reason from operational.person where deleted_at is not null"
    )
    assert (deleted_by, reason) == (fresh.people[WREN], "mistake")
    events = fresh.look("select count(*) from audit.access_event where acting_for = %s and decision = 'permit'",
                        fresh.people[CHICK])  # fmt: skip
    assert events[0][0] >= 2, "the log stays"


def test_a_clinics_patient_is_not_left_without_a_guardian(fresh: World) -> None:
    with access_world.connect_admin(fresh.server) as admin:
        access_world._register(admin, fresh.clinic_ids["north"], fresh.people[CHICK])
    with access_world.client(fresh.server) as api:
        answer = call(api, "finch", "DELETE", f"me/dependents/{fresh.guardianship}", {"reason": "no_longer"})
        assert answer.json()["errors"] == [{"place": "path.dependent", "rule": "last_guardian"}]
        assert dependents(api, "finch")


def test_who_joins_while_the_last_guardian_leaves_has_the_child(fresh: World) -> None:
    """Whoever joins holds the child first: the other leaves afterwards, and is not the last."""
    whose = f"me/dependents/{fresh.guardianship}"
    with access_world.client(fresh.server) as api, ThreadPoolExecutor(2) as pool:
        code = invitation(api, "finch", whose)
        with connect_admin(fresh.server) as admin, admin.transaction():
            admin.execute("lock table operational.principal_role in share mode")  # who joins comes no further
            joining = pool.submit(join, api, "heron", code)
            until_somebody_waits(fresh, admin.info.backend_pid)
            leaving = pool.submit(call, api, "finch", "DELETE", whose, {"reason": "moved_away"})
            until_somebody_waits_for_who_waits(fresh, admin.info.backend_pid)
        assert (joining.result(30).status_code, leaving.result(30).status_code) == (201, 200)
        (found,) = dependents(api, "heron")
        assert found["name"] == CHICK and dependents(api, "finch") == []


def test_whom_the_last_guardian_took_along_nobody_joins(fresh: World) -> None:
    whose = f"me/dependents/{fresh.guardianship}"
    with access_world.client(fresh.server) as api, ThreadPoolExecutor(1) as pool:
        code = invitation(api, "finch", whose)
        with connect_admin(fresh.server) as leaving, leaving.transaction():
            gone = "deleted_at = now(), deleted_by = person_id, delete_reason = 'moved_away'"
            leaving.execute(f"update operational.person set {gone} where person_id = %s", [fresh.people[CHICK]])
            joining = pool.submit(join, api, "wren", code)
            until_somebody_waits(fresh, leaving.info.backend_pid)
        assert joining.result(30).json() == NOT_THERE
    assert fresh.look("select count(*) from operational.guardianship") == [(1,)]


_SLOWLY = """
create function operational.slowly() returns trigger language plpgsql
as $$ begin perform pg_sleep(0.5); return new; end $$;
create trigger slowly after update on operational.guardianship
    for each row execute function operational.slowly();"""


def test_of_two_guardians_who_leave_at_once_one_stays(fresh: World) -> None:
    with access_world.connect_admin(fresh.server) as admin:
        access_world._register(admin, fresh.clinic_ids["north"], fresh.people[CHICK])
    finch = str(fresh.guardianship)
    with access_world.client(fresh.server) as api:
        heron = join(api, "heron", invitation(api, "finch", f"me/dependents/{finch}")).json()["id"]
        fresh.change(_SLOWLY)
        leaving = [(access_world.sign_in(api, "finch"), finch), (access_world.sign_in(api, "heron"), heron)]

        def leave(one: tuple[dict[str, str], str]) -> int:
            answer = api.request("DELETE", f"/v1/me/dependents/{one[1]}", headers=one[0], json={"reason": "asked"})
            return answer.status_code

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(leave, leaving)) == [200, 409]
    standing = fresh.look("select count(*) from operational.guardianship where ends_on is null")
    assert standing == [(1,)]


@pytest.mark.check(33)
def test_a_guardians_role_that_was_taken_away_does_not_come_back_by_itself(fresh: World) -> None:
    taken = "update operational.principal_role as r set revoked_at = now() from operational.principal as p"
    fresh.change(taken + " where p.principal_id = r.principal_id and p.login = 'finch' and r.role = 'guardian'")
    with access_world.client(fresh.server) as api:
        for answer in (add(api, "finch"), join(api, "finch", invitation(api, "wren"))):
            assert (answer.status_code, answer.json()["errors"][0]["rule"]) == (409, "role_revoked")
        profile = call(api, "finch", "GET", f"me/dependents/{fresh.guardianship}/profile")
        assert profile.json() == call(api, "finch", "GET", "me/dependents").json() == NOT_THERE


@pytest.mark.check(52)
def test_a_clinic_sees_guardians_of_its_patients_by_name_alone(fresh: World) -> None:
    with access_world.connect_admin(fresh.server) as admin:
        patient = access_world._register(admin, fresh.clinic_ids["north"], fresh.people[CHICK])
    path = "clinics/north/patients/{}/guardians"
    with access_world.client(fresh.server) as api:
        heron = join(api, "heron", invitation(api, "finch", f"me/dependents/{fresh.guardianship}"))
        assert heron.status_code == 201, "of south alone, and named at north as a guardian"
        found = call(api, "staff.north", "GET", path.format(patient)).json()["guardians"]
        assert [set(one) for one in found] == [{"name", "relationship", "since", "basis", "until"}] * 2
        assert {one["name"] for one in found} == {FINCH, access_world.HERON}
        finch = fresh.patients["north", FINCH]
        assert call(api, "staff.north", "GET", path.format(finch)).json() == {"guardians": []}
        for bad in (fresh.patients["south", FINCH], uuid4(), "x"):
            assert call(api, "staff.north", "GET", path.format(bad)).json() == NOT_THERE
    disclosed = fresh.look(
        "select d.patient_id from audit.access_event as e inner join audit.disclosure as d using (event_id)"
        " where e.action = 'guardian.check' order by e.occurred_at limit 1"
    )
    assert disclosed == [(patient,)]


def test_the_ages_of_majority_are_the_databases(world: World) -> None:
    for country in (*OTHER_AGES, "DE", "BR", "US", "ZZ"):
        assert world.look("select operational.majority_age(%s)", country) == [(majority_age(country),)]


@pytest.mark.check(33)
@pytest.mark.parametrize(("born", "agreed"), [(None, False), ("1990-01-01", True), (str(today()), False)])
def test_what_began_of_a_known_adult_is_agreed_and_nothing_else(fresh: World, born: str | None, agreed: bool) -> None:
    wren = fresh.people[WREN]
    fresh.change("update operational.profile set birth_date = %s where person_id = %s", born, wren)
    fresh.change("insert into operational.guardianship (guardian_id, dependent_id, relationship, starts_on)"
                 " values (%s, %s, 'court', current_date)", fresh.people[FINCH], wren)  # fmt: skip
    fresh.change("update operational.profile set birth_date = '1980-01-01' where person_id = %s", wren)
    with access_world.client(fresh.server) as api:
        assert (WREN in {each["name"] for each in dependents(api, "finch")}) is agreed


@pytest.mark.check(33)
def test_majority_is_the_clinics_countrys(fresh: World) -> None:
    """At a clinic in Thailand somebody of 19 has a guardian still; at one in Germany no more, and for good."""
    with access_world.connect_admin(fresh.server) as admin:
        access_world._register(admin, fresh.clinic_ids["north"], fresh.people[CHICK])
    in_country = "update operational.clinic set country = %s where slug = 'north'"
    fresh.change(in_country, "TH")
    born = date(today().year - 19, 1, 1)
    fresh.change("update operational.profile set birth_date = %s where person_id = %s", born, fresh.people[CHICK])
    with access_world.client(fresh.server) as api:
        assert [UUID(each["id"]) for each in dependents(api, "finch")] == [fresh.guardianship]
        for country in ("DE", "TH"):
            fresh.change(in_country, country)
            assert dependents(api, "finch") == []


@pytest.mark.check(33)
def test_a_clinic_that_comes_to_know_a_dependent_lowers_the_age_and_never_raises_it(fresh: World) -> None:
    fresh.change("update operational.clinic set country = 'EG'")
    with access_world.client(fresh.server) as api:
        guardianship = add(api, "finch").json()["id"]
        age = "select majority_age from operational.guardianship where guardianship_id = %s"
        assert fresh.look(age, guardianship) == [(21,)], "the guardian's clinics'"
        ((dependent,),) = fresh.look(
            "select dependent_id from operational.guardianship where guardianship_id = %s", guardianship
        )
        with access_world.connect_admin(fresh.server) as admin:
            for country, clinic, expected in (("TH", "north", 20), ("SG", "south", 20)):
                fresh.change("update operational.clinic set country = %s where slug = %s", country, clinic)
                access_world._register(admin, fresh.clinic_ids[clinic], dependent)
                assert fresh.look(age, guardianship) == [(expected,)]
        # One that is taken over from a provisional person, or revived, counts too.
        fresh.change("update operational.clinic set country = 'KR' where slug = 'north'")
        fresh.change("update operational.registration set version = version + 1 where person_id = %s", dependent)
        assert fresh.look(age, guardianship) == [(19,)]
