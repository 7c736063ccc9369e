"""The brief: the specialist of that appointment, what the patient shares now, and this clinic's own history."""

from uuid import UUID, uuid4

import access_world
import pytest
from access_world import BIRTH, CONTACTS, DELETED, FINCH, WREN, Api, World

from tests.integration.records import NOT_THERE, Family

NEWEST = (
    "select action, role, purpose, decision, patients, categories, consent_event_id is not null"
    " from audit.access_event order by occurred_at desc limit 1"
)


@pytest.fixture(scope="module")
def family(world: World, api: Api) -> Family:
    return Family(world, api, {})


def path(appointment: UUID | str, clinic: str = "north") -> str:
    return f"/clinics/{clinic}/appointments/{appointment}/brief"


def of(family: Family, name: str, clinic: str = "north") -> str:
    found = family.world.look(
        "select appointment_id from operational.appointment where patient_id = %s and status = 'fulfilled'",
        family.world.patients[clinic, name],
    )
    return str(found[0][0])


@pytest.mark.check(21)
def test_a_brief_has_what_belongs_to_the_visit_and_is_recorded(family: Family) -> None:
    form = family.assign(FINCH, "pain")
    family.done("finch", "POST", f"/me/forms/{form}/complete", {"answers": {"score": 8}})
    found = family.done("specialist.north", "GET", path(family.world.appointments["north"]))
    assert found["name"] == FINCH and found["patient_id"] == str(family.world.patients["north", FINCH])
    assert found["profile"]["birth_date"] == BIRTH and found["profile"]["insurance_type"] == "x"
    assert [f["template"] for f in found["done"]] == ["pain"] and [f["template"] for f in found["missing"]] == ["i"]
    assert [(n["template"], n["question"], n["value"]) for n in found["numbers"]] == [("pain", "score", 8.0)]
    assert [(p["title"], p["prescribed"], p["done"]) for p in found["plans"]] == [("P", 2, 1)]
    assert [a["status"] for a in found["appointments"]] == ["fulfilled", "booked"]
    assert family.world.look(NEWEST) == [
        ("brief.read", "specialist", "care", "permit", 1, ["clinical", "identifier", "name", "profile"], True)
    ]


@pytest.mark.check(52)
def test_a_brief_has_no_contact_and_no_free_text(family: Family) -> None:
    text = family.ask("specialist.north", "GET", path(family.world.appointments["north"])).text
    assert not [value for value in CONTACTS.values() if value in text] and "Canary answer" not in text


@pytest.mark.check(11)
def test_without_consent_a_brief_has_no_profile(family: Family) -> None:
    answer = family.ask("specialist.north", "GET", path(of(family, WREN)))
    assert answer.json()["name"] == WREN and answer.json()["profile"] is None and BIRTH not in answer.text
    assert family.world.look(NEWEST)[0][3:] == ("permit", 1, ["clinical", "identifier", "name"], False)


@pytest.mark.check(13)
def test_what_is_shared_with_one_clinic_is_in_no_brief_of_the_other(family: Family) -> None:
    answer = family.ask("specialist.south", "GET", path(of(family, FINCH, "south"), "south"))
    assert answer.json()["profile"] is None and BIRTH not in answer.text
    north = {str(value) for (clinic, _), value in family.world.items.items() if clinic == "north"}
    assert not [item for item in north if item in answer.text]


def test_a_revoked_consent_and_a_tombstone_end_it_at_once(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        family = Family(fresh, api, {})
        brief = path(fresh.appointments["north"])
        assert family.done("specialist.north", "GET", brief)["profile"]
        fresh.change("update operational.profile_tombstone set cleared_at = null")
        assert family.done("specialist.north", "GET", brief)["profile"] is None
        fresh.change("update operational.profile_tombstone set cleared_at = now()")
        assert family.done("specialist.north", "GET", brief)["profile"]
        fresh.consent("north", FINCH, "revoked")
        assert family.done("specialist.north", "GET", brief)["profile"] is None


@pytest.mark.check(7)
def test_another_specialists_appointment_is_not_there(family: Family) -> None:
    """Whoever treats the patient otherwise does not read the brief of this appointment."""
    mine, name = family.world.appointments["north"], "update operational.appointment set specialist = %s"
    family.world.change(f"{name} where appointment_id = %s", "Dr. Other", mine)
    try:
        answers = [
            family.ask(login, "GET", path(which, clinic))
            for login, which, clinic in (
                ("specialist.north", mine, "north"), ("specialist.north", uuid4(), "north"),
                ("specialist.north", "no-id", "north"), ("specialist.south", mine, "south"),
                ("specialist.north", of(family, FINCH, "south"), "north"), ("other.north", mine, "north"),
                ("staff.north", mine, "north"), ("finch", mine, "north"),
            )
        ]  # fmt: skip
        assert {(a.status_code, a.content) for a in answers} == {(404, answers[0].content)}
        assert answers[0].json() == NOT_THERE
    finally:
        family.world.change(f"{name} where appointment_id = %s", "Dr. North", mine)


@pytest.mark.check(34)
@pytest.mark.parametrize("change", [DELETED, "status = 'cancelled'"])
def test_a_cancelled_or_deleted_appointment_has_no_brief(family: Family, change: str) -> None:
    visit = of(family, WREN)
    family.world.change(f"update operational.appointment set {change} where appointment_id = %s", visit)
    assert family.ask("specialist.north", "GET", path(visit)).json() == NOT_THERE
    family.world.change(
        "update operational.appointment set deleted_at = null, status = 'fulfilled' where appointment_id = %s", visit
    )
