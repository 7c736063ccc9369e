"""Whatever a clinic did with a registration, what was signed there is shown to whoever signed it, to be revoked."""

from typing import Any

import access_world
import pytest
from access_world import CHICK, FINCH, HERON, WREN, Api, World
from auditing import found
from booking import ask, post
from browsing import Browsers
from test_consents import call, revoke, shared, sign, state
from test_receipts import finish

NOT_THERE = {"type": "urn:cloister:problem:not-there", "title": "There is nothing here.", "status": 404}
PURPOSES = {"communications", "profile_sharing"}


@pytest.fixture
def fresh(fresh: World) -> World:
    """Where members stand for a day, as after a build."""
    for clinic in ("north", "south"):
        fresh.change(f"update clinic_{clinic}.segment_clock set run = 1, at = '2026-01-01', as_of = '2026-03-04'")
    return fresh


def delete(world: World, api: Api, name: str, reason: str = "mistake") -> None:
    path = f"clinics/north/deletions/registration/{world.patients['north', name]}"
    assert call(api, "staff.north", "POST", path, {"reason": reason}).is_success


def undo(world: World, api: Api, name: str) -> None:
    path = f"clinics/north/deletions/registration/{world.patients['north', name]}/undo"
    assert call(api, "admin", "POST", path).is_success


def listed(api: Api, login: str, whose: str = "me", **query: Any) -> set[tuple[str, str, bool]]:
    """Clinic, purpose, and whether they are a patient there."""
    consents = call(api, login, "GET", f"{whose}/consents", **query).json()["consents"]
    return {(each["clinic"], each["purpose"], each["registered"]) for each in consents}


def seen_by_clinics(world: World, api: Api) -> list[Any]:
    """What staff and manager of north, and south's, are answered of Finch at north."""
    finch, seen = world.patients["north", FINCH], []
    key = {"Authorization": f"Bearer {world.keys['north.contact']}"}
    seen.append(api.get(f"/v1/clinics/north/patients/{finch}/profile", headers=key).json())
    for login in ("staff.north", "manager.north", "manager.south"):
        for clinic in ("north", "south"):
            seen.append(call(api, login, "GET", f"clinics/{clinic}/patients/{finch}/consents").json())
    changes = call(api, "manager.north", "GET", "clinics/north/segments/elders/changes").json()["changes"]
    return [*seen, [each for each in changes if each.get("patient_id") == str(finch)]]


@pytest.mark.check(14)
@pytest.mark.check(34)
def test_what_was_signed_is_revoked_after_the_deletion_and_an_undo_shares_nothing(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        delete(fresh, api, FINCH)
        finish(fresh)
        assert listed(api, "finch") == {("north", "profile_sharing", False)} | {("south", p, True) for p in PURPOSES}
        told = state(api, "finch")
        assert (told["state"], told["signed_by"], told["text"]) == ("signed", "self", None)
        before = seen_by_clinics(fresh, api)
        assert before[:-1] == [NOT_THERE] * 7
        event = revoke(api, "finch").json()["id"]
        finish(fresh)
        assert seen_by_clinics(fresh, api) == before, "the clinic learns nothing of it, nor does another"
        assert state(api, "finch")["state"] == "revoked" and revoke(api, "finch").status_code == 409
        (receipt,) = call(api, "finch", "GET", f"me/consents/{event}/receipt").json()["receipts"]
        assert receipt["kind"] == "revoked" and receipt["note"]
        undo(fresh, api, FINCH)
        assert not shared(fresh, api, "north", FINCH) and listed(api, "finch") == {
            (clinic, purpose, True) for clinic in ("north", "south") for purpose in PURPOSES
        }  # fmt: skip


@pytest.mark.check(14)
@pytest.mark.parametrize("revoking", [False, True])
def test_a_registration_that_a_booking_revives_shares_what_was_not_revoked(fresh: World, revoking: bool) -> None:
    with access_world.client(fresh.server) as api:
        delete(fresh, api, FINCH, "asked")
        assert not revoking or revoke(api, "finch").status_code == 201
        assert post(api, access_world.sign_in(api, "finch"), ask()).status_code == 201
        assert shared(fresh, api, "north", FINCH) is not revoking
        assert state(api, "finch")["state"] == ("revoked" if revoking else "signed")


@pytest.mark.check(14)
@pytest.mark.check(33)
def test_a_guardian_lists_and_revokes_what_was_signed_for_a_dependent(fresh: World) -> None:
    fresh.register_chick()
    whose = f"me/dependents/{fresh.guardianship}"
    with access_world.client(fresh.server) as api:
        assert sign(api, "finch", whose=whose).status_code == 201
        delete(fresh, api, CHICK)
        assert listed(api, "finch", whose) == {("north", "profile_sharing", False)}
        assert revoke(api, "heron", whose=whose).json() == NOT_THERE
        assert revoke(api, "finch", whose=whose).status_code == 201
        undo(fresh, api, CHICK)
        assert state(api, "finch", whose=whose)["state"] == "revoked" and not shared(fresh, api, "north", CHICK)


@pytest.mark.check(7)
@pytest.mark.check(17)
def test_nothing_new_is_signed_and_nothing_revoked_where_nothing_was_signed(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        for name in (FINCH, WREN):
            delete(fresh, api, name)
        assert sign(api, "finch").json() == NOT_THERE
        assert listed(api, "wren") == set() and revoke(api, "wren").json() == NOT_THERE
        assert listed(api, "heron") == {("south", purpose, True) for purpose in PURPOSES}
        assert revoke(api, "heron").json() == NOT_THERE
        # Before it was signed, nothing was.
        assert ("north", "profile_sharing", False) not in listed(api, "finch", at="2001-01-01T00:00:00Z")
    assert fresh.look("select count(*) from operational.consent_event where person_id in (%s, %s)",
                      fresh.people[WREN], fresh.people[HERON]) == [(0,)]  # fmt: skip


@pytest.mark.check(50)
def test_the_revocation_is_in_that_clinics_log_without_whose_it_was(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        delete(fresh, api, FINCH)
        request = revoke(api, "finch").headers["x-request-id"]
        auditor = access_world.sign_in(api, "auditor.north")
        (event,) = [each for each in found(api, auditor) if each["request_id"] == request]
    assert (event["action"], event["decision"]) == ("consent.revoke", "permit")
    assert event["principal_id"] is event["principal"] is event["session_id"] is None


def test_the_pages_show_it_and_revoke_it(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        browsers, at = Browsers(api), "/me/consents/north/profile_sharing"
        delete(fresh, api, FINCH)
        assert "No patient there any more" in browsers.get("finch", "/me/consents").text
        shown = browsers.get("finch", at).text
        assert "No patient there any more" in shown and "I have read this" not in shown
        taken_along = browsers.get("finch", "/me/data").text
        assert "/me/data/south" in taken_along and "/me/data/north" not in taken_along
        browsers.post("finch", f"{at}/revoke", at)
        assert "Revoked" in browsers.get("finch", at).text
        browsers.get("finch", "/me/consents/north/communications", 404)
