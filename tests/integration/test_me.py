"""People see their own data, their dependents', and who read it; of everybody else nothing."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import access_world
import pytest
from access_world import BIRTH, CHICK, CONTACTS, DELETED, FINCH, HERON, WREN, Api, World
from psycopg import sql

from infra.database import connect, set_context
from infra.roles import Group, Login
from policies.guardianship import of_age_on, stands
from tests.utc import today

NOT_THERE = {"type": "urn:cloister:problem:not-there", "title": "There is nothing here.", "status": 404}
ONE, YEAR = timedelta(days=1), timedelta(days=366)
NEWEST = (
    "select action, decision, role, purpose, acting_for, patients, categories, policies, clinic_id, consent_event_id"
    " from audit.access_event where not action like 'token%%' order by occurred_at desc limit 1"
)


def get(api: Api, login: str, path: str, **query: Any) -> Any:
    return api.get(f"/v1/me/{path}", headers=access_world.sign_in(api, login), params=query)


@pytest.mark.check(21)
def test_a_patient_reads_the_own_profile_without_any_clinics_consent(world: World, api: Api) -> None:
    for login, name in (("finch", FINCH), ("wren", WREN)):
        assert get(api, login, "profile").json() == {
            "name": name, "birth_date": BIRTH, "sex": "female", "blood_type": None, "allergies": None,
            "chronic_conditions": None, "insurance_type": "x", "insurance_payer": None, **CONTACTS,
        }  # fmt: skip
        assert world.look(NEWEST)[0] == (
            "person.read", "permit", "patient", "patient_request", None, 1, ["contact", "name", "profile"],
            ["patient-reads-own-data"], None, None,
        )  # fmt: skip


@pytest.mark.check(21)
def test_a_guardian_reads_a_dependents_profile_in_the_dependents_name(world: World, api: Api) -> None:
    (found,) = get(api, "finch", "dependents").json()["dependents"]
    assert found == {"id": str(world.guardianship), "name": CHICK, "relationship": "parent", "since": "2020-01-01"}
    profile = get(api, "finch", f"dependents/{found['id']}/profile").json()
    assert {k: profile[k] for k in ("name", "phone")} == {"name": CHICK, "phone": CONTACTS["phone"]}
    assert world.look(NEWEST)[0][:8] == (
        "person.read", "permit", "guardian", "patient_request", world.people[CHICK], 1,
        ["contact", "name", "profile"], ["guardian-reads-dependents-data"],
    )  # fmt: skip


@pytest.mark.check(52)
def test_a_guardian_sees_no_emergency_contact_that_they_did_not_enter(world: World, api: Api) -> None:
    profile = get(api, "finch", f"dependents/{world.guardianship}/profile")
    assert profile.json()["emergency_contacts"] is None and "Aunt" not in profile.text


@pytest.mark.check(33)
def test_a_guardian_of_one_reads_no_other(world: World, api: Api) -> None:
    ids = [uuid4(), "no-id", "%00", world.people[CHICK], world.people[WREN], world.patients["north", WREN]]
    for path in ("profile", "access-log"):
        answers = [get(api, "finch", f"dependents/{dependent}/{path}") for dependent in ids]
        # Another guardian's dependent, by the very id that is good for that guardian.
        answers.append(get(api, "heron", f"dependents/{world.guardianship}/{path}"))
        assert {(a.status_code, a.content) for a in answers} == {(404, answers[0].content)}
        assert answers[0].json() == NOT_THERE
        assert world.look(NEWEST)[0][1] == "deny" and world.look(NEWEST)[0][4:6] == (None, 0)
    assert get(api, "heron", "dependents").json() == {"dependents": []}


@pytest.mark.parametrize("path", ["dependents", "dependents/{}/profile", "dependents/{}/access-log"])
def test_a_patient_who_is_no_guardian_has_no_dependents(world: World, api: Api, path: str) -> None:
    assert get(api, "wren", path.format(world.guardianship)).json() == NOT_THERE


@pytest.mark.parametrize("login", ["manager.north", "specialist.north", "auditor", "admin", "roleless"])
@pytest.mark.parametrize("path", ["profile", "accesses", "dependents"])
def test_an_account_that_is_no_persons_has_no_own_data(api: Api, login: str, path: str) -> None:
    assert get(api, login, path).json() == NOT_THERE


GUARDIANSHIPS: list[tuple[date, date | None, date | None, bool]] = [
    (today() - ONE, None, None, False), (today(), None, None, False), (today() + ONE, None, None, True),
    (today() - YEAR, today() + ONE, None, False), (today() - YEAR, today(), None, True),
    (today() - YEAR, today() - ONE, None, False),
    (today() - YEAR, None, today().replace(year=today().year - 18, day=1) - ONE, False),
    (today() - YEAR, None, today().replace(year=today().year - 17, day=1), False),
    (date(2019, 1, 1), None, date(2000, 2, 29), False), (date(2019, 1, 1), None, date(2000, 2, 29), True),
    (date(2019, 1, 1), today(), date(2000, 2, 29), True),
]  # fmt: skip


@pytest.mark.check(33)
@pytest.mark.parametrize(("starts_on", "ends_on", "birth_date", "agreed"), GUARDIANSHIPS)
def test_the_rule_of_guardianship_the_wall_and_the_route_agree(
    world: World, api: Api, starts_on: date, ends_on: date | None, birth_date: date | None, agreed: bool
) -> None:
    world.change(
        "update operational.guardianship set starts_on = %s, ends_on = %s, agreed = %s where guardianship_id = %s",
        starts_on, ends_on, agreed, world.guardianship,
    )  # fmt: skip
    chick = world.people[CHICK]
    world.change("update operational.profile set birth_date = %s where person_id = %s", birth_date, chick)
    expected = stands(starts_on, ends_on, birth_date, today(), agreed=agreed)
    assert (chick in family(world, FINCH)) is expected
    for path in ("profile", "access-log"):
        status = get(api, "finch", f"dependents/{world.guardianship}/{path}").status_code
        assert status == (200 if expected else 404)
    assert bool(get(api, "finch", "dependents").json()["dependents"]) is expected
    restore(world)


def family(world: World, name: str) -> set[UUID]:
    """Whose profiles the database shows in the context of a person."""
    with connect(Login.SERVICE, at=world.server) as connection:
        set_context(connection, person_id=world.people[name])
        role = sql.Identifier(world.server.roles.of(Group.FAMILY))
        connection.execute(sql.SQL("set local role {}").format(role))
        people = {row[0] for row in connection.execute("select person_id from operational.person")}
        assert people == {row[0] for row in connection.execute("select person_id from operational.profile")}
        return people


def restore(world: World) -> None:
    world.change("update operational.guardianship set starts_on = '2020-01-01', ends_on = null, agreed = false")
    world.change("update operational.profile set birth_date = %s where person_id = %s",
                 today() - timedelta(days=3000), world.people[CHICK])  # fmt: skip


@pytest.mark.check(33)
def test_of_age_on_the_day_itself() -> None:
    assert of_age_on(date(2000, 3, 1)) == date(2018, 3, 1)
    assert of_age_on(date(2000, 2, 29)) == date(2018, 2, 28)
    born, before, day = date(2007, 11, 24), date(2025, 11, 23), date(2025, 11, 24)
    assert stands(born, None, born, before) and not stands(born, None, born, day)
    assert not stands(day, None, born, day)
    assert stands(day, None, born, day, agreed=True), "an adult's own agreement, or a court's"
    assert not stands(born, day, None, day) and stands(born, day, None, before)


@pytest.mark.check(33)
def test_a_guardianship_that_ended_leaves_the_log_as_it_was(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        path = f"dependents/{fresh.guardianship}/profile"
        assert get(api, "finch", path).status_code == 200
        fresh.change("update operational.guardianship set ends_on = current_date")
        assert get(api, "finch", path).json() == NOT_THERE
        found = fresh.look("select decision from audit.access_event where action = 'person.read' order by occurred_at")
        assert found == [("permit",), ("deny",)]


def test_people_see_who_read_them_and_when_and_nobody_else(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        specialist, manager = (access_world.sign_in(api, f"{role}.north") for role in ("specialist", "manager"))
        for name in (FINCH, WREN):
            api.get(f"/v1/clinics/north/patients/{fresh.patients['north', name]}/profile", headers=specialist)
        api.get("/v1/clinics/north/segments/everybody/members", headers=manager)
        found = get(api, "finch", "access-log").json()["accesses"]
        assert [(a["clinic"], a["role"], a["action"], a["purpose"], a["categories"]) for a in found] == [
            ("north", "clinic_manager", "member.list", "operations", ["identifier", "membership", "name"]),
            ("north", "specialist", "profile.read", "care", ["contact", "identifier", "name", "profile"]),
        ]
        assert set(found[0]) == {
            "event_id", "occurred_at", "clinic", "role", "organisation", "action", "purpose", "categories",
            "impersonation",
        }  # fmt: skip
        assert [a["impersonation"] for a in found] == [None, None]
        wrens = get(api, "wren", "access-log").json()["accesses"]
        assert [a["categories"] for a in wrens] == [["identifier", "membership", "name"], ["identifier", "name"]]
        assert get(api, "heron", "access-log").json() == {"accesses": [], "next": None}


def test_a_guardians_reading_shows_among_a_dependents_accesses(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        path = f"dependents/{fresh.guardianship}"
        assert get(api, "finch", f"{path}/profile").status_code == 200
        found = get(api, "finch", f"{path}/access-log").json()["accesses"]
        assert [(a["clinic"], a["role"], a["action"]) for a in found] == [(None, "guardian", "person.read")]
        assert get(api, "finch", "access-log").json()["accesses"] == []


@pytest.mark.check(6)
def test_pages_of_accesses_are_whole_and_a_foreign_cursor_is_none(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        specialist = access_world.sign_in(api, "specialist.north")
        for name in (FINCH, WREN, FINCH, WREN, FINCH, WREN):
            api.get(f"/v1/clinics/north/patients/{fresh.patients['north', name]}/profile", headers=specialist)
        whole = get(api, "finch", "access-log").json()
        assert (len(whole["accesses"]), whole["next"]) == (3, None)
        first = get(api, "finch", "access-log", limit=2).json()
        second = get(api, "finch", "access-log", limit=2, cursor=first["next"]).json()
        assert first["accesses"] + second["accesses"] == whole["accesses"]
        assert second["next"] is None
        foreign = get(api, "wren", "access-log", limit=1).json()["next"]
        for cursor in (foreign, "made-up", "A" * 88):
            answer = get(api, "finch", "access-log", cursor=cursor)
            assert (answer.status_code, answer.json()) == (404, NOT_THERE)
            assert fresh.look(NEWEST)[0][:2] == ("access.list", "deny")


@pytest.mark.check(9)
def test_no_id_of_a_person_leaves(world: World, api: Api) -> None:
    people = {str(person) for person in world.people.values()}
    for path in ("profile", "access-log", "dependents", f"dependents/{world.guardianship}/profile",
                 f"dependents/{world.guardianship}/access-log"):  # fmt: skip
        text = get(api, "finch", path).text
        assert not [person for person in people if person in text], path
        assert HERON not in text and WREN not in text


@pytest.mark.check(34)
def test_who_is_deleted_guards_nobody(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        dependent = f"dependents/{fresh.guardianship}/profile"
        assert get(api, "finch", dependent).status_code == 200
        fresh.change(f"update operational.person set {DELETED} where person_id = %s", fresh.people[FINCH])
        assert get(api, "finch", "dependents").json().get("dependents", []) == []
        assert get(api, "finch", dependent).status_code == 404
