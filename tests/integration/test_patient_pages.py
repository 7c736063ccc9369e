"""The pages of patients and guardians: what they show, what they change, what is recorded, and what stays closed."""

import json
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import pytest
from access_world import CHICK, FINCH, WREN, Api, World
from browsing import Browsers
from impersonating import act_as, end
from pages_of import fields

from api.video import Jitsi
from infra.database import read_secret
from tests.integration.records import BERLIN, Family, add_chick, days, today
from tests.integration.sealing import seal_all

MARKUP = "<script>alert(1)</script> & co"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co"


@pytest.fixture(scope="module")
def family(world: World, api: Api) -> Family:
    add_chick(world)
    return Family(world, api, {})


@pytest.fixture(scope="module")
def browsers(api: Api) -> Browsers:
    return Browsers(api)


@pytest.fixture(scope="module")
def of_chick(family: Family) -> str:
    return f"/me/dependents/{family.world.guardianship}"


def events(world: World, request: str) -> set[tuple[str, str]]:
    """What the log holds of a request."""
    query = "select action, decision from audit.access_event where request_id = %s"
    return set(world.look(query, UUID(request)))


def prescribe(family: Family, name: str, title: str = "Back") -> tuple[str, str]:
    """A plan with one exercise of two times a day; the ids of both."""
    body = {
        "title": title, "starts_on": str(today()), "ends_on": str(today() + days(9)),
        "exercises": [{"name": f"Bridge {title}", "times": 2, "instructions": "Slowly."}],
    }  # fmt: skip
    path = f"/clinics/north/patients/{family.world.patients['north', name]}/plans"
    plan = family.done("specialist.north", "POST", path, body)["id"]
    login = {WREN: "wren", CHICK: "chick", FINCH: "finch"}[name]
    plans = family.done(login, "GET", "/me/plans")["plans"]
    return plan, next(p["exercises"][0]["id"] for p in plans if p["id"] == plan)


@pytest.mark.check(21)
@pytest.mark.parametrize(
    ("path", "action"),
    [("", "own_appointment.read"), ("/appointments", "own_appointment.read"), ("/forms", "own_record.read"),
     ("/exercises", "own_record.read"), ("/consents", "consent.list"), ("/profile", "person.read"),
     ("/profile/edit", "person.read"), ("/accesses", "access.list"), ("/family", "dependent.list"),
     ("/data", "own_handover.list"), ("/book", "consent.list")],
)  # fmt: skip
def test_each_view_leaves_its_event(family: Family, browsers: Browsers, of_chick: str, path: str, action: str) -> None:
    for base in ("/me", of_chick):
        answer = browsers.get("finch", base + path)
        assert (action, "permit") in events(family.world, answer.headers["x-request-id"]), base


@pytest.mark.check(21)
@pytest.mark.parametrize(
    "path",
    ["", "/appointments", "/forms", "/exercises", "/consents", "/profile", "/accesses", "/data", "/family", "/book"],
)
def test_whoever_is_neither_patient_nor_guardian_finds_nothing(
    family: Family, browsers: Browsers, of_chick: str, path: str
) -> None:
    for login, base in (("staff.north", "/me"), ("manager.north", "/me"), ("wren", of_chick), ("heron", of_chick)):
        answer = browsers.get(login, base + path, 404)
        assert "Canary" not in answer.text
        assert "deny" in {decision for _, decision in events(family.world, answer.headers["x-request-id"])}, login


def test_a_form_of_another_session_or_site_changes_nothing(family: Family, browsers: Browsers) -> None:
    form = family.assign(WREN, "pain")
    theirs = fields(browsers.get("finch", "/me/forms").text)["csrf"]
    browsers.get("wren", f"/me/forms/{form}")
    assert browsers.api.post(f"/me/forms/{form}", data={"csrf": theirs, "do": "complete"}).status_code == 404
    elsewhere = {"sec-fetch-site": "cross-site"}
    assert browsers.api.post(f"/me/forms/{form}", data={}, headers=elsewhere).status_code == 403
    assert family.done("wren", "GET", f"/me/forms/{form}")["status"] == "pending"


def test_a_form_asks_what_follows_once_it_is_saved_and_needs_no_script(family: Family, browsers: Browsers) -> None:
    form = family.assign(WREN, "intake")
    at = f"/me/forms/{form}"
    first = browsers.get("wren", at).text
    follows = 'data-question="answer.reason" data-op="is" data-value="other" hidden'
    assert follows in first
    browsers.post("wren", at, at, **{"do": "save", "answer.reason": "other", "answer.goal": MARKUP})
    saved = browsers.get("wren", at + "?saved=true").text
    assert follows not in saved and 'value="other" checked' in saved
    assert SHOWN in saved and MARKUP not in saved
    wrong = browsers.post(
        "wren", at, at, 422,
        **{"do": "complete", "answer.reason": "other", "answer.since": "1850-01-01", "answer.goal": "Walk"},
    ).text  # fmt: skip
    assert wrong.count('class="fault"') == 2, "the text that follows is needed, and the day is too early"
    assert "2 answers need another look" in wrong and "Walk</textarea>" in wrong and "1850-01-01" in wrong
    assert family.done("wren", "GET", f"/me/forms/{form}")["answers"]["goal"] == MARKUP, "what was saved stays"
    browsers.post("wren", at, at, **{"do": "complete", "answer.reason": "other", "answer.reason_text": MARKUP})
    done = browsers.get("wren", at).text
    assert SHOWN in done and MARKUP not in done and "Something else" in done
    again = browsers.post("wren", at, "/me/appointments", 409, **{"do": "complete", "answer.reason": "back"})
    assert "completed already" in again.text


def test_numbers_and_scales_are_said_as_numbers(family: Family, browsers: Browsers) -> None:
    form = family.assign(WREN, "pain")
    at = f"/me/forms/{form}"
    assert "This is needed." in browsers.post("wren", at, at, 422, do="complete").text
    browsers.post("wren", at, at, **{"do": "complete", "answer.score": "7"})
    assert family.done("wren", "GET", f"/me/forms/{form}")["answers"] == {"score": 7}


def test_a_consent_is_signed_as_it_was_shown_and_revoked(family: Family, browsers: Browsers) -> None:
    at = "/me/consents/north/communications"
    shown = fields(browsers.get("wren", at).text)
    text = {"purpose": "communications", "text_version": "2031", "body": MARKUP}
    family.done("manager.north", "POST", "/clinics/north/consent-texts", text)
    browsers.get("wren", at)
    stale = browsers.api.post(at, data=shown)
    assert stale.status_code == 409 and "Nothing was signed" in stale.text
    assert SHOWN in stale.text and MARKUP not in stale.text
    assert browsers.api.post(at, data=fields(stale.text)).status_code == 303

    def state() -> str:
        found = family.done("wren", "GET", "/me/consents")["consents"]
        return next(str(c["state"]) for c in found if (c["clinic"], c["purpose"]) == ("north", "communications"))

    assert state() == "signed"
    assert "Signed" in browsers.get("wren", "/me/consents").text
    family.done("manager.north", "POST", "/clinics/north/consent-texts", {**text, "text_version": "2032"})
    for page in ("/me", "/me/consents"):
        assert f'href="{at}">' in browsers.get("wren", page).text and state() == "signed"
    browsers.post("wren", at + "/revoke", at)
    assert state() == "revoked"
    browsers.post("wren", at + "/revoke", at)
    assert "/me/receipts/" not in browsers.get("wren", at).text, "only of what is shared there are receipts"
    profile = "/me/consents/north/profile_sharing"
    browsers.post("finch", profile + "/revoke", profile)
    event = browsers.get("finch", profile).text.split("/me/receipts/")[1].split('"')[0]
    assert "What became of it" in browsers.get("finch", f"/me/receipts/{event}").text
    browsers.get("wren", f"/me/receipts/{event}", 404)
    browsers.get("wren", "/me/consents/north/made_up", 404)
    browsers.get("wren", "/me/consents/nowhere/communications", 404)


def test_a_newer_text_asks_again_until_it_is_signed(family: Family, browsers: Browsers) -> None:
    """What was signed stands meanwhile. Of two clinics the one that published asks."""
    at, asks = "/me/consents/north/profile_sharing", "a newer text"
    pages = ("/me/consents", at)
    browsers.api.post(at, data=fields(browsers.get("finch", at).text))  # as a test before may have revoked it
    texts = {"purpose": "profile_sharing", "body": "More than before."}
    standing = [c["state"] for c in family.done("finch", "GET", "/me/consents")["consents"]]
    assert not [page for page in pages if asks in browsers.get("finch", page).text]
    family.done("manager.north", "POST", "/clinics/north/consent-texts", {**texts, "text_version": "2040"})
    assert standing == [c["state"] for c in family.done("finch", "GET", "/me/consents")["consents"]]
    assert [browsers.get("finch", page).text.count(asks) for page in pages] == [1, 1]
    assert "To read and decide" in browsers.get("finch", "/me").text
    assert browsers.api.post(at, data=fields(browsers.get("finch", at).text)).status_code == 303
    assert not [page for page in pages if asks in browsers.get("finch", page).text]


def test_the_links_of_messages_lead_to_these_pages(browsers: Browsers) -> None:
    for link, target in (("/consents", "/me/consents"), ("/guardians", "/me/family")):
        assert browsers.get("finch", link, 303).headers["location"] == target
        browsers.get("finch", target)


def test_exercises_are_ticked_off_and_taken_back(family: Family, browsers: Browsers) -> None:
    plan, exercise = prescribe(family, WREN)
    tick = f"/me/plans/{plan}/exercises/{exercise}/days/{today()}"
    assert "0 of 2" in browsers.get("wren", "/me/exercises").text
    browsers.post("wren", tick, "/me/exercises", times=1)
    assert "1 of 2" in browsers.get("wren", "/me").text
    browsers.post("wren", tick, "/me/exercises", times=0)
    assert "0 of 2" in browsers.get("wren", "/me/exercises").text
    late = browsers.post("wren", tick.replace(str(today()), "2026-01-01"), "/me/exercises", times=1)
    assert "That was not counted" in browsers.get("wren", late.headers["location"], 409).text


def test_an_appointment_is_booked_once_moved_and_cancelled(family: Family, browsers: Browsers) -> None:
    at = "/me/book/north"
    day = datetime.now(BERLIN) + timedelta(days=20)
    shown = fields(browsers.get("wren", at).text)
    asked = {**shown, "offer": "visit/Dr. North", "starts_at": f"{day:%Y-%m-%d}T10:30"}
    assert [browsers.api.post(at, data=asked).status_code for _ in range(2)] == [303, 303]
    mine = family.done("wren", "GET", "/me/appointments")["appointments"]
    booked = [a for a in mine if a["starts_at"] and a["status"] == "booked"]
    assert len(booked) == 1 and datetime.fromisoformat(booked[0]["starts_at"]).astimezone(BERLIN).hour == 10
    taken = browsers.post("wren", at, at, 409, offer="visit/Dr. North", starts_at=asked["starts_at"], key="another")
    assert "Something else is booked" in taken.text and asked["starts_at"] in taken.text
    empty = browsers.post("wren", at, at, 422, key="third")
    assert "This is needed." in empty.text
    one, list_ = f"/me/appointments/{booked[0]['id']}", "/me/appointments"
    past = browsers.post("wren", one + "/move", list_, 422, clinic="north", starts_at="2020-01-01T10:00")
    assert "This is over." in past.text
    offered = {"clinic": "north", "offer": "visit/Dr. North", "do": "times"}
    free = browsers.post("wren", one + "/move", list_, 200, starts_at=asked["starts_at"], **offered).text
    assert f'name="starts_at" value="{day:%Y-%m-%d}T11:30"' in free
    assert f'name="starts_at" value="{asked["starts_at"]}"' not in free, "it is taken, by itself"
    browsers.post("wren", one + "/move", list_, clinic="north", starts_at=f"{day:%Y-%m-%d}T11:30")
    assert "11:30" in browsers.get("wren", list_).text
    assert "no video room here" in browsers.get("wren", one + "/video", 409).text
    browsers.post("wren", one + "/cancel", list_)
    again = browsers.post("wren", one + "/cancel", "/me/book/north", 409)
    assert "It is cancelled already." in again.text


def test_the_video_room_is_led_into_while_it_is_open(family: Family, browsers: Browsers) -> None:
    world, services = family.world, family.api.app.state.services
    ((appointment,),) = world.look(
        "insert into operational.appointment (clinic_id, patient_id, service, modality, specialist, status, booked_on,"
        " starts_on, starts_at, ends_at) values (%s, %s, 'call', 'video', 'Dr. North', 'booked', %s, %s, now(),"
        " now() + interval '1 hour') returning appointment_id",
        world.clinic_ids["north"], world.patients["north", WREN], today(), today(),
    )  # fmt: skip
    world.change("insert into operational.video_room (clinic_id, appointment_id, room) values (%s, %s, %s)",
                 world.clinic_ids["north"], appointment, "room-of-the-wren-that-nobody-will-ever-guess")  # fmt: skip
    before = services.video
    jitsi = Jitsi("https://meet.example.org", "cloister", read_secret(world.server.secrets_folder / "jitsi"))
    object.__setattr__(services, "video", jitsi)
    try:
        link = f"/me/appointments/{appointment}/video"
        assert f'href="{link}">Enter the video room' in browsers.get("wren", "/me/appointments").text
        led = browsers.get("wren", link, 303).headers["location"]
        assert led.startswith("https://meet.example.org/room-of-the-wren-that-nobody-will-ever-guess?jwt=")
        browsers.get("finch", link, 404)
        # Who treats them enters it from the brief; before it opens, and where there is none, that is said.
        at = f"/agenda/north/{appointment}"
        assert f'href="{at}/video">Enter the video room' in browsers.get("specialist.north", at).text
        world.change("update operational.appointment set starts_at = now() + interval '2 hours',"
                     " ends_at = now() + interval '3 hours' where appointment_id = %s", appointment)  # fmt: skip
        for login, page in (("specialist.north", at), ("wren", "/me/appointments")):
            assert "The room opens half an hour before." in browsers.get(login, page).text
        world.change("update operational.appointment set ends_at = null where appointment_id = %s", appointment)
        assert "it has no room here" in browsers.get("specialist.north", at).text
        assert "The clinic tells you how to join." in browsers.get("wren", "/me/appointments").text
    finally:
        object.__setattr__(services, "video", before)
        world.change("update operational.appointment set status = 'fulfilled' where appointment_id = %s", appointment)


@pytest.mark.check(21)
def test_a_guardian_books_signs_and_answers_for_a_dependent(family: Family, browsers: Browsers, of_chick: str) -> None:
    world, chick, finch = family.world, family.world.people[CHICK], family.world.people[FINCH]

    def recorded(action: str) -> bool:
        query = "select 1 from audit.access_event where action = %s and decision = 'permit' and acting_for = %s"
        return bool(world.look(query, action, chick))

    booking, day = f"{of_chick}/book/north", today() + days(26)
    offer = {"offer": "visit/Dr. North", "starts_at": f"{day}T15:30", "key": "of-chick"}
    assert browsers.post("finch", booking, booking, **offer).headers["location"] == f"{of_chick}/appointments"
    assert "15:30" in browsers.get("finch", f"{of_chick}/appointments").text
    assert "15:30" in browsers.get("chick", "/me/appointments").text and recorded("own_appointment.book")

    consent = f"{of_chick}/consents/north/communications"
    shown = fields(browsers.get("finch", consent).text)
    assert browsers.api.post(consent, data=shown).status_code == 303
    signed = "select kind, signer_id from operational.consent_event where person_id = %s and purpose = 'communications'"
    assert world.look(signed, chick) == [("signed", finch)] and recorded("consent.sign")

    form = f"{of_chick}/forms/{family.assign(CHICK, 'pain')}"
    browsers.post("finch", form, form, **{"do": "complete", "answer.score": "4"})
    assert family.done("chick", "GET", form.replace(of_chick, "/me"))["answers"] == {"score": 4}


def test_a_profile_is_edited_field_by_field_and_nobodys_change_is_lost(family: Family, browsers: Browsers) -> None:
    at = "/me/profile/edit"
    page = browsers.get("wren", at).text
    shown = fields(page)
    before = family.done("wren", "GET", "/me/profile")
    same = {name: value or "" for name, value in before.items() if not isinstance(value, list)}
    wrong = browsers.api.post(at, data={**shown, **same, "phone": "12", "allergies": f"Nuts\n{MARKUP}"})
    assert wrong.status_code == 422 and wrong.text.count('class="fault"') == 1
    assert "Nuts" in wrong.text and SHOWN in wrong.text and MARKUP not in wrong.text
    right = {**shown, **same, "allergies": f"Nuts\r\n{MARKUP}", "emergency_contacts.0.name": "Owl",
             "emergency_contacts.0.relationship": "aunt", "emergency_contacts.0.phone": "+4930901899"}  # fmt: skip
    assert browsers.api.post(at, data=right).status_code == 303
    after = family.done("wren", "GET", "/me/profile")
    assert after["allergies"] == ["Nuts", MARKUP] and after["emergency_contacts"][0]["name"] == "Owl"
    assert {k: v for k, v in after.items() if k not in ("allergies", "emergency_contacts")} == {
        k: v for k, v in before.items() if k not in ("allergies", "emergency_contacts")
    }
    late = browsers.api.post(at, data={**right, "insurance_type": "other"})
    assert late.status_code == 409 and "Somebody changed this" in late.text
    assert MARKUP not in browsers.get("wren", "/me/profile").text
    assert SHOWN in browsers.get("wren", "/me/profile").text
    assert "Nuts" not in browsers.get("wren", "/me/profile/history").text, "before the edit there was none"


def test_an_account_is_reached_by_a_new_email_once_its_code_is_entered(browsers: Browsers) -> None:
    assert "not" in browsers.post("wren", "/me/account", "/me/account", 422, email="no email").text
    answer = browsers.post("wren", "/me/account", "/me/account", email="wren.new@example.org")
    assert answer.headers["location"].startswith("/verify/")


@pytest.mark.check(52)
def test_guardians_see_no_other_guardians_contact_and_nothing_confidential(
    family: Family, browsers: Browsers, of_chick: str
) -> None:
    form = family.assign(CHICK, "mood")
    plan, _ = prescribe(family, CHICK, "Secret plan")
    shown = browsers.get("finch", f"{of_chick}/forms").text
    assert form in shown and "Secret plan" in browsers.get("finch", f"{of_chick}/exercises").text
    browsers.post("chick", f"/me/forms/{form}/confidential", f"/me/forms/{form}", hidden="true")
    browsers.post("chick", f"/me/plans/{plan}/confidential", "/me/exercises", hidden="true")
    for path in ("", "/forms", "/exercises", "/appointments", "/accesses", "/family", "/profile", "/profile/edit"):
        page = browsers.get("finch", of_chick + path).text
        assert form not in page and "Secret plan" not in page, path
        assert "Canary Aunt" not in page and "+4930901821" not in page, path
    browsers.get("finch", f"{of_chick}/forms/{form}", 404)
    assert form in browsers.get("chick", "/me/forms").text
    assert "Canary Aunt" in browsers.get("chick", "/me/profile").text
    guarded = browsers.post("finch", f"{of_chick}/forms/{form}/confidential", f"{of_chick}/family", 404, hidden="false")
    assert "Secret" not in guarded.text


def test_a_family_grows_by_a_code_and_shrinks(family: Family, browsers: Browsers, of_chick: str) -> None:
    page = browsers.post("finch", f"{of_chick}/family/invitations", f"{of_chick}/family", 200).text
    code = page.split('class="secret">')[1].split("<")[0]
    bad = browsers.post("wren", "/me/family/join", "/me/family", 422, code="x" * 30, relationship="aunt")
    assert "This code is not good" in bad.text
    joined = browsers.post("wren", "/me/family/join", "/me/family", code=code, relationship=MARKUP)
    theirs = joined.headers["location"]
    assert CHICK in browsers.get("wren", theirs).text
    page = browsers.get("wren", "/me/family").text
    assert SHOWN in page and MARKUP not in page
    assert FINCH not in browsers.get("wren", f"{theirs}/family").text, "guardians learn nothing of each other"
    others = browsers.get("finch", f"{of_chick}/family/others").text
    assert WREN in others or "Only who holds the account" in others
    browsers.post("wren", f"{theirs}/family/leave", f"{theirs}/family", reason="no_longer")
    browsers.get("wren", theirs, 404)
    last = browsers.post("finch", f"{of_chick}/family/invitations", f"{of_chick}/family", 200).text
    invitation = last.split("/family/invitations/")[1].split("/")[0]
    browsers.post("finch", f"{of_chick}/family/invitations/{invitation}/take-back", f"{of_chick}/family")


def test_a_child_is_added_with_its_faults_said_beside_the_fields(browsers: Browsers) -> None:
    at = "/me/family"
    old = browsers.post("finch", at + "/dependents", at, 422, name=MARKUP, birth_date="1990-01-01", relationship="aunt")
    assert "Adults agree themselves" in old.text and SHOWN in old.text
    none = browsers.post("finch", at + "/dependents", at, 422)
    assert none.text.count('class="fault"') == 3
    born = str(today() - days(900))
    made = browsers.post("finch", at + "/dependents", at, name=MARKUP, birth_date=born, relationship="parent")
    page = browsers.get("finch", made.headers["location"]).text
    assert SHOWN in page and MARKUP not in page


def test_who_read_it_is_shown_with_its_proof(family: Family, browsers: Browsers) -> None:
    family.done("specialist.north", "GET", f"/clinics/north/patients/{family.world.patients['north', WREN]}/profile")
    page = browsers.get("wren", "/me/accesses").text
    assert "Specialist" in page
    event = page.split("/me/accesses/")[1].split("/")[0]
    early = browsers.get("wren", f"/me/accesses/{event}/proof", 404)
    assert "no proof of that yet" in early.text
    seal_all(family.world.server)
    proof = browsers.get("wren", f"/me/accesses/{event}/proof")
    assert proof.headers["content-disposition"].startswith("attachment") and proof.json()["index"] >= 0
    browsers.get("finch", f"/me/accesses/{event}/proof", 404)


@pytest.mark.check(21)
def test_records_are_taken_along_and_brought_to_a_clinic_once_they_were_shown(
    family: Family, browsers: Browsers
) -> None:
    token = fields(browsers.get("wren", "/me/data").text)["csrf"]
    made = browsers.api.post("/me/data/north", data={"csrf": token})
    assert made.status_code == 200 and made.headers["content-type"] == "application/zip"
    assert ("export.make", "permit") in events(family.world, made.headers["x-request-id"])
    assert browsers.api.post("/me/data/south", data={"csrf": token}).status_code == 404, "no patient there"

    def bring(content: bytes, **said: str) -> httpx.Response:
        file = {"file": ("records.zip", content, "application/zip")}
        return browsers.api.post("/me/data/north/bring", data={"csrf": token, **said}, files=file)

    assert "This is no file" in bring(b"PK\r\n--nothing").text
    assert "larger" in bring(bytes(9 * 1024 * 1024)).text
    assert bring(made.content, csrf="forged").status_code == 404
    shown = bring(made.content)
    assert shown.status_code == 200 and "Nothing is kept so far." in shown.text
    assert family.done("wren", "GET", "/me/handovers")["records"] == []
    assert "another file" in bring(made.content, digest="0" * 64).text
    assert bring(made.content, digest=fields(shown.text)["digest"]).status_code == 303
    assert len(family.done("wren", "GET", "/me/handovers")["records"]) == 1
    assert "From North to North" in browsers.get("wren", "/me/data").text
    token = fields(browsers.get("finch", "/me/data").text)["csrf"]
    assert "Nothing tells that this file is yours." in bring(made.content).text


@pytest.mark.check(30)
def test_an_admin_who_acts_as_a_patient_sees_their_pages_and_only_reads(family: Family, browsers: Browsers) -> None:
    browsers.get("admin", "/me", 404)
    impersonation, _ = act_as(family.api, "finch")
    try:
        page = browsers.get("admin", "/me").text
        assert "You are acting as finch" in page and CHICK in page
        for section in ("appointments", "forms", "exercises", "consents"):
            assert f'href="/me/{section}"' not in page, "is not offered"
            browsers.get("admin", f"/me/{section}", 404)
        for path in ("/me/profile/edit", "/me/account", "/me/book/north", "/me/profile/history"):
            refused = browsers.get("admin", path, 404 if path != "/me/profile/edit" else 200)
            assert "+4930901820" not in refused.text and "Canary Street" not in refused.text
        profile = browsers.get("admin", "/me/profile")
        assert FINCH in profile.text and "canary@example.org" not in profile.text
        assert "acting as finch" in profile.text and ">Edit<" not in profile.text
        query = "select principal_id, impersonation_id from audit.access_event where request_id = %s"
        told = family.world.look(query + " and action = 'person.read'", UUID(profile.headers["x-request-id"]))
        assert [str(row[1]) for row in told] == [impersonation]
        for path in ("/me/family/dependents", "/me/family/invitations", "/me/profile/edit"):
            values = {"name": "Egg", "birth_date": "2020-05-06", "relationship": "x", "sex": "unknown"}
            browsers.post("admin", path, "/me/profile", 404, **values)
        assert "acted as you" in browsers.get("finch", "/me/accesses").text
    finally:
        end(family.api, impersonation)
    browsers.get("admin", "/me", 404)


@pytest.mark.check(39)
def test_a_form_that_is_sent_twice_adds_one_child(family: Family, browsers: Browsers) -> None:
    page = browsers.get("heron", "/me/family").text
    said = {"name": "Canary Twice", "birth_date": str(today() - days(900)), "relationship": "parent"}
    key = fields(page)["key"]
    first, again = (browsers.send("heron", "/me/family/dependents", page, **said, key=key) for _ in range(2))
    assert first.headers["location"] == again.headers["location"]
    other = browsers.send("heron", "/me/family/dependents", page, 422, **{**said, "name": "Canary Thrice"}, key=key)
    assert "This was sent already, with something else in it." in other.text and fields(other.text)["key"] != key
    query = "select count(*) from operational.person where name in ('Canary Twice', 'Canary Thrice')"
    assert family.world.look(query) == [(1,)]


def test_two_who_fill_in_one_form_lose_no_answer_to_each_other(
    family: Family, browsers: Browsers, of_chick: str
) -> None:
    form = family.assign(CHICK, "intake")
    own, theirs = f"/me/forms/{form}", f"{of_chick}/forms/{form}"
    opened = browsers.get("chick", own).text
    # What is wrong with an answer does not make an old page a new one.
    wrong = {"do": "save", "answer.goal": "Swim", "answer.since": "1850-01-01"}
    opened = browsers.send("chick", own, opened, 422, **wrong).text
    browsers.post("finch", theirs, theirs, **{"do": "save", "answer.reason": "knee", "answer.goal": "Walk"})
    late = browsers.send("chick", own, opened, 409, **{"do": "save", "answer.goal": "Swim"})
    assert "somebody else changed this form since you opened it" in late.text
    assert "Swim</textarea>" in late.text and "Somebody else's answer now: Walk" in late.text
    assert 'value="knee" checked' in late.text, "what this form did not change is theirs"
    assert family.done("finch", "GET", theirs)["answers"] == {"reason": "knee", "goal": "Walk"}, "nothing was kept yet"
    browsers.send("chick", own, late.text, **{"do": "save", "answer.reason": "knee", "answer.goal": "Swim"})
    assert family.done("finch", "GET", theirs)["answers"] == {"reason": "knee", "goal": "Swim"}


def test_a_profile_that_two_change_keeps_what_each_changed_through_faults_and_conflicts(
    family: Family, browsers: Browsers, of_chick: str
) -> None:
    own, theirs = "/me/profile/edit", f"{of_chick}/profile/edit"
    opened = browsers.get("chick", own).text

    def shown() -> dict[str, str]:
        profile = family.done("chick", "GET", "/me/profile")
        return {name: str(value or "") for name, value in profile.items() if not isinstance(value, list)}

    at_first = shown()
    browsers.post("finch", theirs, theirs, **{**at_first, "insurance_payer": "Payer One"})
    faulty = browsers.send("chick", own, opened, 422, **{**at_first, "phone": "none", "address": "Nest 1"}).text
    assert fields(faulty)["version"] == fields(opened)["version"]
    late = browsers.send("chick", own, faulty, 409, **{**at_first, "address": "Nest 1"}).text
    assert 'value="Payer One"' in late and "Nest 1</textarea>" in late
    # Once more somebody is first: what was changed here is known from what the page showed, not from what was typed.
    at_late = shown()
    browsers.post("finch", theirs, theirs, **{**at_late, "insurance_payer": "Payer Two"})
    later = browsers.send("chick", own, late, 409, **{**at_late, "address": "Nest 1"}).text
    assert 'value="Payer Two"' in later and "Nest 1</textarea>" in later
    browsers.send("chick", own, later, **{**shown(), "address": "Nest 1"})
    profile = family.done("chick", "GET", "/me/profile")
    assert (profile["insurance_payer"], profile["address"]) == ("Payer Two", "Nest 1")


@pytest.mark.check(41)
@pytest.mark.parametrize("deep", ["[" * 20_000, '{"goal":' * 400 + "1" + "}" * 400])
def test_what_a_form_says_it_showed_is_no_more_than_digests_however_deep(
    family: Family, browsers: Browsers, deep: str
) -> None:
    form = f"/me/forms/{family.assign(CHICK, 'intake')}"
    page = browsers.get("chick", form).text
    wrong = {"do": "save", "answer.goal": "Canary", "answer.since": "1850-01-01"}
    again = browsers.send("chick", form, page, 422, **wrong, was=deep).text
    assert json.loads(fields(again)["was"]) == {}
    browsers.send("chick", form, page, **{"do": "save", "answer.goal": "Canary " * 50})
    assert len(fields(browsers.get("chick", form).text)["was"]) < 100, "a digest, not the text"
    edit = "/me/profile/edit"
    browsers.send("chick", edit, browsers.get("chick", edit).text, 422, name="Chick", phone="none", was=deep)
