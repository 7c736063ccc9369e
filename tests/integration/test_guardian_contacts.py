"""A clinic reaches a guardian only while the dependent shares with it; no guardian reaches another."""

from typing import Any

import access_world
import pytest
from access_world import CHICK, FINCH, HERON, Api, World

from tests.integration.posting import give_email

NOT_THERE = {"type": "urn:cloister:problem:not-there", "title": "There is nothing here.", "status": 404}


@pytest.fixture
def fresh(fresh: World) -> World:
    """The child is a patient of north, and Finch and Heron manage it; Heron has given no contact."""
    fresh.register_chick()
    give_email(fresh, FINCH, "finch@example.org")
    fresh.change(
        "insert into operational.guardianship (guardian_id, dependent_id, relationship, starts_on)"
        " values (%s, %s, 'aunt', '2020-03-01')", fresh.people[HERON], fresh.people[CHICK],
    )  # fmt: skip
    return fresh


def asked(api: Api, world: World, login: str = "staff.north", clinic: str = "north") -> Any:
    path = f"/v1/clinics/{clinic}/patients/{world.patients['north', CHICK]}/guardians/contacts"
    return api.get(path, headers=access_world.sign_in(api, login))


@pytest.mark.check(12)
@pytest.mark.check(33)
def test_contacts_show_from_the_signature_to_the_revocation_and_never_else(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        assert asked(api, fresh).json() == NOT_THERE
        fresh.consent("north", CHICK, signer_id=fresh.people[FINCH], purpose="communications")
        fresh.consent("south", CHICK, signer_id=fresh.people[FINCH])
        assert asked(api, fresh).json() == NOT_THERE, "another purpose, another clinic"
        fresh.consent("north", CHICK, signer_id=fresh.people[FINCH])
        answer = asked(api, fresh)
        found = {each["name"]: (each["email"], each["phone"]) for each in answer.json()["guardians"]}
        assert found == {FINCH: ("finch@example.org", None), HERON: (None, None)}
        events = fresh.look(
            "select e.action, e.categories, d.patient_id, e.consent_event_id is not null from audit.access_event as e"
            " inner join audit.disclosure as d using (event_id) where e.request_id = %s",
            answer.headers["x-request-id"],
        )
        assert [(event[0], "contact" in event[1], *event[2:]) for event in events] == [
            ("guardian.contact", True, fresh.patients["north", CHICK], True)
        ]
        fresh.consent("north", CHICK, "revoked", signer_id=fresh.people[FINCH])
        assert asked(api, fresh).json() == NOT_THERE


@pytest.mark.check(7)
@pytest.mark.parametrize("login", ["manager.north", "specialist.north", "finch", "heron", "admin", "auditor.north"])
def test_nobody_but_staff_of_the_clinic_reaches_guardians(fresh: World, login: str) -> None:
    fresh.consent("north", CHICK, signer_id=fresh.people[FINCH])
    with access_world.client(fresh.server) as api:
        assert asked(api, fresh).status_code == 200
        assert asked(api, fresh, login).json() == NOT_THERE
        assert asked(api, fresh, clinic="south").json() == NOT_THERE


@pytest.mark.check(33)
def test_a_guardian_of_yesterday_is_not_reached(fresh: World) -> None:
    fresh.consent("north", CHICK, signer_id=fresh.people[FINCH])
    fresh.change(
        "update operational.guardianship set ends_on = current_date where guardian_id = %s", fresh.people[FINCH]
    )
    with access_world.client(fresh.server) as api:
        assert [each["name"] for each in asked(api, fresh).json()["guardians"]] == [HERON]
