"""A family has one account holder, who sees the other guardians by name and ends their guardianships."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import access_world
import pytest
from access_world import FINCH, HERON, WREN, Api, World
from booking import ask, at, post
from families import NOT_THERE, PARENT, add, call, dependents, invitation, join

from infra.database import connect_admin
from tests.integration.waiting import until_somebody_waits, until_somebody_waits_for_who_waits

MISTAKE = {"reason": "no_longer"}


def others(api: Api, login: str, dependent: str) -> Any:
    return call(api, login, "GET", f"me/dependents/{dependent}/guardians").json()


def end(api: Api, login: str, dependent: str, guardianship: str, body: Any = MISTAKE) -> Any:
    return call(api, login, "DELETE", f"me/dependents/{dependent}/guardians/{guardianship}", body)


def family(api: Api) -> dict[str, str]:
    """Finch's child, whose guardians Wren and Heron became the same day: the guardianship by its guardian's login."""
    found = {"finch": add(api, "finch").json()["id"]}
    for login in ("wren", "heron"):
        found[login] = join(api, login, invitation(api, "finch", f"me/dependents/{found['finch']}")).json()["id"]
    return found


@pytest.mark.check(33)
def test_the_account_holder_sees_the_others_by_name_and_nobody_else_does(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        ids = family(api)
        found = others(api, "finch", ids["finch"])["guardians"]
        assert [(each["id"], each["name"]) for each in found] == [(ids["wren"], WREN), (ids["heron"], HERON)]
        assert set(found[0]) == {"id", "name", "relationship", "since", "basis", "until"}, "no contact"
        for login in ("wren", "heron"):
            assert others(api, login, ids[login]) == NOT_THERE
            assert end(api, login, ids[login], ids["finch"]).json() == NOT_THERE
        assert others(api, "wren", ids["finch"]) == NOT_THERE


@pytest.mark.check(33)
def test_a_guardian_who_is_ended_is_one_no_more_that_day_and_is_told(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        ids = family(api)
        fresh.change("update operational.message set state = 'dead' where state = 'pending'")
        assert end(api, "finch", ids["finch"], ids["wren"]).status_code == 200
        assert ids["wren"] not in [each["id"] for each in dependents(api, "wren")]
        assert [each["name"] for each in others(api, "finch", ids["finch"])["guardians"]] == [HERON]
        assert end(api, "finch", ids["finch"], ids["wren"]).json() == NOT_THERE, "it is ended"
        told = fresh.look(
            "select p.name from operational.message as m inner join operational.person as p using (person_id)"
            " where m.state = 'pending' and m.kind = 'guardian_notice' order by 1"
        )
        assert [name for (name,) in told] == ["Canary Chick", WREN], "and no other guardian"
        ended = fresh.look(
            "select end_reason, ended_by from operational.guardianship where guardianship_id = %s", ids["wren"]
        )
        assert ended == [("no_longer", fresh.people[FINCH])]
    seen = fresh.look(
        "select action from audit.access_event where action like 'co_guardian.%%' and decision = 'permit'"
    )
    assert ("co_guardian.end",) in seen and ("co_guardian.list",) in seen


@pytest.mark.check(33)
def test_the_account_goes_to_who_was_there_next_once_the_holder_leaves(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        ids = family(api)
        assert end(api, "finch", ids["finch"], ids["finch"]).json() == NOT_THERE, "one's own is left, not ended"
        assert call(api, "finch", "DELETE", f"me/dependents/{ids['finch']}", MISTAKE).status_code == 200
        assert [each["name"] for each in others(api, "wren", ids["wren"])["guardians"]] == [HERON]
        assert others(api, "heron", ids["heron"]) == NOT_THERE


@pytest.mark.check(33)
def test_of_an_adult_no_guardian_ends_another(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        ids = [join(api, login, invitation(api, "wren")).json()["id"] for login in ("finch", "heron")]
        answer = end(api, "finch", ids[0], ids[1])
        assert answer.status_code == 409 and answer.json()["errors"][0]["rule"] == "of_age"
        assert ids[1] in [each["id"] for each in dependents(api, "heron")]


@pytest.mark.check(7)
def test_a_guardianship_of_another_dependent_is_not_there(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        ids = family(api)
        other = add(api, "heron", **PARENT).json()["id"]
        for guardianship in (other, str(fresh.guardianship), "x"):
            assert end(api, "finch", ids["finch"], guardianship).json() == NOT_THERE
        assert end(api, "finch", ids["finch"], ids["wren"], None).json()["errors"][0]["place"] == "body"
        assert ids["wren"] in [each["id"] for each in dependents(api, "wren")]


@pytest.mark.check(39)
@pytest.mark.parametrize(("who", "first"), [("guardian", "booking"), ("guardian", "leaving"), ("staff", "booking")])
def test_nobody_books_for_a_child_who_goes_with_the_last_guardian_meanwhile(fresh: World, first: str, who: str) -> None:
    """Whoever came first is waited for: the child is the clinic's patient and has a guardian, or is neither."""
    held = {
        "booking": "select from operational.specialist where name = 'Dr. North' for update",
        "leaving": "select from operational.guardianship where guardianship_id = %s for update",
    }[first]
    with access_world.client(fresh.server) as api, connect_admin(fresh.server) as admin, ThreadPoolExecutor(2) as pool:
        dependent = add(api, "finch").json()["id"]
        path, books = f"me/dependents/{dependent}", (access_world.sign_in(api, "finch"), {"dependent": dependent})
        if who == "staff":
            once_a_patient(api, fresh, *books)
            books = access_world.sign_in(api, "staff.north"), {"patient": {"source_id": "known"}}
        doing = {
            "booking": lambda: post(api, books[0], ask(**books[1])),
            "leaving": lambda: call(api, "finch", "DELETE", path, MISTAKE),
        }
        with admin.transaction():
            admin.execute(held, [dependent] if "%s" in held else [])
            earlier = pool.submit(doing.pop(first))
            until_somebody_waits(fresh, admin.info.backend_pid)
            later = pool.submit(*doing.values())
            until_somebody_waits_for_who_waits(fresh, admin.info.backend_pid)
        statuses = [each.result(timeout=30).status_code for each in (earlier, later)]
    assert statuses == ([201, 409] if first == "booking" else [200, 404])
    gone = fresh.look(
        "select p.deleted_at is not null, exists ("
        "   select from operational.registration as r where r.person_id = p.person_id and r.deleted_at is null)"
        " from operational.guardianship as g inner join operational.person as p on p.person_id = g.dependent_id"
        " where g.guardianship_id = %s",
        dependent,
    )
    assert gone == [(first == "leaving", first == "booking")]


def once_a_patient(api: Api, world: World, who: dict[str, str], whom: dict[str, str]) -> None:
    """Have a dependent been north's patient, whom staff know by an id of their own."""
    assert post(api, who, ask(**whom, starts_at=at(30))).status_code == 201
    ((patient, clinic),) = world.look(
        "select r.patient_id, r.clinic_id from operational.guardianship as g"
        " inner join operational.registration as r on r.person_id = g.dependent_id where g.guardianship_id = %s",
        whom["dependent"],
    )
    source = "insert into operational.patient_source (clinic_id, source, source_id, patient_id)"
    world.change(f"{source} values (%s, 'staff', 'known', %s)", clinic, patient)
    world.change("update operational.appointment set status = 'cancelled' where patient_id = %s", patient)
    left = access_world.DELETED.replace("asked", "moved_away")
    world.change(f"update operational.registration set {left} where patient_id = %s", patient)
