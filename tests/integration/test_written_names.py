"""Names with joiners, Persian and Sinhala, wherever a person's name is given; logins and other words take none."""

from typing import Any
from uuid import uuid4

import access_world
import pytest
from access_world import WREN, Api, World

from tests.integration.booking import as_key, ask, at, post
from tests.integration.records import Family, days, today

NAMES = ["\u0634\u0631\u06cc\u0641\u200c\u0632\u0627\u062f\u0647", "\u0dc1\u0dca\u200d\u0dbb\u0dd3"]
INVISIBLE = "An\u200ca"
PROFILE, DEPENDENTS = "/me/profile", "/me/dependents"


@pytest.fixture(scope="module")
def family(world: World, api: Api) -> Family:
    return Family(world, api, {})


def child(name: str, relationship: str = "parent") -> dict[str, Any]:
    return {"name": name, "birth_date": str(today() - days(900)), "relationship": relationship}


def signed(family: Family) -> str:
    """A form that asks for a signature."""
    body = {"title": "T", "questions": [{"id": "signed", "type": "signature", "text": "?"}]}
    family.done("manager.north", "POST", "/clinics/north/templates/signed/versions", body)
    return f"/me/forms/{family.assign(WREN, 'signed')}"


@pytest.mark.check(41)
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_is_kept_as_it_is_written(family: Family, name: str) -> None:
    hour = 9 + NAMES.index(name)
    wanted = ask(starts_at=at(hour), patient={"name": name, "email": f"{uuid4()}@example.org"})
    booked = post(family.api, as_key(family.world), wanted)
    assert booked.status_code == 201, booked.text
    registered = "select p.name from operational.person as p inner join operational.registration using (person_id)"
    assert family.world.look(f"{registered} where patient_id = %s", booked.json()["patient"]) == [(name,)]
    contact = {"name": name, "relationship": "sister", "phone": "+44 20 7946 0958"}
    edited = {"name": name, "emergency_contacts": [contact]}
    headers = access_world.sign_in(family.api, "finch") | {"If-Match": "*"}
    assert family.api.patch(f"/v1{PROFILE}", json=edited, headers=headers).is_success
    assert family.done("finch", "GET", PROFILE)["name"] == name
    family.done("finch", "POST", DEPENDENTS, child(name))
    assert name in [each["name"] for each in family.done("finch", "GET", DEPENDENTS)["dependents"]]
    form = signed(family)
    assert family.done("wren", "POST", f"{form}/complete", {"answers": {"signed": name}})["answers"] == {"signed": name}


@pytest.mark.check(41)
def test_what_changes_nothing_in_a_name_is_in_none(family: Family) -> None:
    refused = (422, "body.name", "control_character")
    assert family.refused("finch", "PATCH", PROFILE, {"name": INVISIBLE}) == refused
    assert family.refused("finch", "POST", DEPENDENTS, child(INVISIBLE)) == refused
    assert family.refused("finch", "PATCH", PROFILE, {"insurance_payer": NAMES[0]})[:2] == (422, "body.insurance_payer")
    answers = {"answers": {"signed": INVISIBLE}}
    where = (422, "body.answers.signed", "control_character")
    assert family.refused("wren", "POST", f"{signed(family)}/complete", answers) == where


@pytest.mark.check(41)
def test_an_account_has_such_a_name_and_no_such_login(family: Family) -> None:
    account = {"login": "sharif", "name": NAMES[0], "role": "clinic_staff", "clinic": "north"}
    assert family.refused("admin", "POST", "/accounts", {**account, "login": NAMES[0]})[:2] == (422, "body.login")
    family.done("admin", "POST", "/accounts", account)
    (stored,) = family.world.look("select display_name from operational.principal where login = 'sharif'")
    assert stored == (NAMES[0],)
