"""Forms that bookings bring: an intake or a consent once to a patient, what is asked at each visit once to a visit."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import access_world
import pytest
from access_world import CHICK, FINCH, HERON, WREN, Api, World

from tests.integration.booking import as_key, ask, at, newcomer, post, sign_in
from tests.integration.records import Family, add_chick, days, today

USUAL = ["intake", "profile_sharing_consent"]
ONCE = {"intake": 1, "profile_sharing_consent": 1}


@pytest.fixture
def family(fresh: World) -> Iterator[Family]:
    add_chick(fresh)
    offer(fresh, [*USUAL, "pain"])
    with access_world.client(fresh.server) as api:
        yield Family(fresh, api, {})


def offer(world: World, templates: list[str], registering: list[str] | None = None) -> None:
    """Have both clinics ask for these at each visit, and for others of who is new."""
    world.change("update operational.service set templates = %s where service = 'visit'", templates)
    world.change("update operational.booking_setting set templates = %s", registering or [])


def book(api: Api, who: dict[str, str], hours: float, clinic: str = "north", **other: Any) -> dict[str, Any]:
    answer = post(api, who, ask(clinic, starts_at=at(hours), **other), clinic)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def book_wren(family: Family, hours: float) -> str:
    known = {"id": str(family.world.patients["north", WREN])}
    return str(book(family.api, as_key(family.world), hours, patient=known)["id"])


def to_answer(world: World, patient: Any, hidden: bool | None = None) -> Counter[str]:
    """How many forms of each template a patient has to answer; those alone that are hidden, or are not."""
    found = world.look(
        "select template from operational.form where patient_id = %s and status in ('pending', 'in_progress')"
        " and deleted_at is null and occasion is not null and confidential is distinct from %s",
        patient, None if hidden is None else not hidden,
    )  # fmt: skip
    return Counter(template for (template,) in found)


@pytest.mark.check(39)
def test_two_visits_of_a_patient_ask_for_intake_and_consent_once(family: Family) -> None:
    visits = [book_wren(family, hours) for hours in (9, 10)]
    wren = family.world.patients["north", WREN]
    assert to_answer(family.world, wren) == ONCE | {"pain": 2}
    found = family.world.look("select occasion from operational.form where template = 'pain' and patient_id = %s", wren)
    assert {occasion for (occasion,) in found} == set(visits)
    book(family.api, as_key(family.world, "south.bookings"), 9, "south",
         patient={"id": str(family.world.patients["south", FINCH])})  # fmt: skip
    assert to_answer(family.world, family.world.patients["south", FINCH]) == ONCE | {"pain": 1}, "another clinic's own"


@pytest.mark.check(39)
def test_visits_that_are_booked_at_once_ask_for_them_once(family: Family) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda hours: book_wren(family, hours), (9, 10, 11, 12)))
    assert to_answer(family.world, family.world.patients["north", WREN]) == ONCE | {"pain": 4}


@pytest.mark.check(39)
def test_what_registration_and_service_both_ask_for_comes_once(family: Family) -> None:
    offer(family.world, [*USUAL, "pain"], [*USUAL, "pain", "mood"])
    booked = book(family.api, as_key(family.world), 9, patient=newcomer())
    assert to_answer(family.world, booked["patient"]) == ONCE | {"pain": 1, "mood": 1}


def test_what_was_answered_or_has_expired_is_asked_again_and_a_draft_is_not(family: Family) -> None:
    wren = family.world.patients["north", WREN]
    book_wren(family, 9)
    (form,) = [f["id"] for f in family.done("wren", "GET", "/me/forms")["forms"] if f["template"] == "intake"]
    family.done("wren", "PUT", f"/me/forms/{form}/answers", {"answers": {"reason": "knee"}})
    book_wren(family, 10)
    assert to_answer(family.world, wren)["intake"] == 1
    family.done("wren", "POST", f"/me/forms/{form}/complete", {"answers": {"reason": "knee"}})
    book_wren(family, 11)
    assert to_answer(family.world, wren)["intake"] == 1, "a new one"
    family.world.change("update operational.form set expires_on = %s where patient_id = %s", today() - days(1), wren)
    book_wren(family, 12)
    assert to_answer(family.world, wren)["intake"] == 2, "beside the one that takes no answer any more"


@pytest.mark.check(17)
def test_no_consent_is_asked_for_that_stands(family: Family) -> None:
    family.world.consent("north", WREN, "signed")
    book_wren(family, 9)
    assert to_answer(family.world, family.world.patients["north", WREN]) == {"intake": 1, "pain": 1}
    family.world.consent("north", WREN, "revoked")
    book_wren(family, 10)
    assert to_answer(family.world, family.world.patients["north", WREN]) == ONCE | {"pain": 2}


@pytest.mark.check(52)
def test_a_guardian_finds_no_hidden_form_by_one_that_does_not_come(family: Family) -> None:
    chick = family.world.patients["north", CHICK]
    visit = book(family.api, as_key(family.world), 9, patient={"id": str(chick)})["id"]
    family.done("chick", "POST", f"/me/appointments/{visit}/confidential")
    family.ask("finch", "GET", "/me")
    book(family.api, family.headers["finch"], 10, dependent=str(family.world.guardianship))
    assert to_answer(family.world, chick, hidden=False) == ONCE | {"pain": 1}
    assert to_answer(family.world, chick, hidden=True) == ONCE | {"pain": 1}


def test_the_newest_version_says_what_a_template_is(family: Family) -> None:
    body = {"title": "T", "questions": [{"id": "q", "type": "text", "text": "Q"}]}
    for kind in ("intake", "questionnaire"):
        family.done("manager.north", "POST", "/clinics/north/templates/turned/versions", {**body, "kind": kind})
    offer(family.world, ["turned"])
    for hours in (9, 10):
        book_wren(family, hours)
    assert to_answer(family.world, family.world.patients["north", WREN]) == {"turned": 2}


def come_back(family: Family, patient: str, hours: float) -> None:
    """Heron's registration deleted, and revived by a booking of their own."""
    path = f"/clinics/north/deletions/registration/{patient}"
    family.done("staff.north", "POST", path, {"reason": "moved_away"})
    book(family.api, sign_in(family.api, "heron"), hours)


def registered(family: Family) -> str:
    """Heron as a patient of north, who is asked for all that registering asks for, and nothing else."""
    offer(family.world, [], [*USUAL, "mood"])
    book(family.api, sign_in(family.api, "heron"), 9)
    found = "select r.patient_id::text from operational.registration as r inner join operational.person as p"
    ((patient,),) = family.world.look(
        f"{found} using (person_id) where p.name = %s and r.clinic_id = %s", HERON, family.world.clinic_ids["north"]
    )
    assert to_answer(family.world, patient) == ONCE | {"mood": 1}
    return str(patient)


def form_ids(family: Family) -> dict[str, str]:
    listed = family.done("heron", "GET", "/me/forms")["forms"]
    return {form["template"]: form["id"] for form in listed if form["status"] == "pending"}


@pytest.mark.check(17)
def test_who_comes_back_is_asked_anew_for_what_they_answered_and_the_consent_that_they_revoked(family: Family) -> None:
    patient, ids = registered(family), form_ids(family)
    shown = family.done("heron", "GET", f"/me/forms/{ids['profile_sharing_consent']}")["consent"]
    signed = {"answers": {"signature": "H"}, "consent": {key: shown[key] for key in ("text_version", "sha256")}}
    family.done("heron", "POST", f"/me/forms/{ids['profile_sharing_consent']}/complete", signed)
    family.done("heron", "POST", f"/me/forms/{ids['intake']}/complete", {"answers": {"reason": "knee"}})
    come_back(family, patient, 10)
    assert to_answer(family.world, patient) == {"intake": 1, "mood": 1}, "the consent stands"
    family.done("heron", "POST", "/me/consents/revoke", {"clinic": "north", "purpose": "profile_sharing"})
    come_back(family, patient, 11)
    assert to_answer(family.world, patient) == ONCE | {"mood": 1}


@pytest.mark.check(39)
def test_who_comes_back_is_asked_for_nothing_twice(family: Family) -> None:
    patient, ids = registered(family), form_ids(family)
    family.done("heron", "PUT", f"/me/forms/{ids['intake']}/answers", {"answers": {"reason": "knee"}})
    for hours in (10, 11):
        come_back(family, patient, hours)
        assert to_answer(family.world, patient) == ONCE | {"mood": 1}
    family.world.change("update operational.form set confidential = true where form_id = %s", ids["mood"])
    come_back(family, patient, 12)
    assert to_answer(family.world, patient, hidden=False) == ONCE | {"mood": 1}, "a hidden one is as none"


def test_what_registering_anew_brought_stays_though_its_visit_is_cancelled(family: Family) -> None:
    patient, ids = registered(family), form_ids(family)
    family.done("heron", "POST", f"/me/forms/{ids['intake']}/complete", {"answers": {"reason": "knee"}})
    come_back(family, patient, 10)
    for visit in family.done("heron", "GET", "/me/appointments")["appointments"]:
        if visit["status"] == "booked":
            family.done("heron", "POST", f"/me/appointments/{visit['id']}/cancel")
    assert to_answer(family.world, patient) == ONCE | {"mood": 1}
