"""The pages of specialists, of a clinic's staff, and of newcomers who book: what they do, show and record."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from access_world import ALWAYS, FINCH, HERON, WREN, Api, World
from browsing import Browsers
from pages_of import fields
from psycopg.types.json import Jsonb

from api.identity.booking_pages import close_page, open_page
from infra.errors import InvalidInput
from tests.integration.records import Family, add_chick, days, today

MARKUP = "<script>alert(1)</script> & co"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co"


@pytest.fixture(scope="module")
def family(world: World, api: Api) -> Family:
    add_chick(world)
    return Family(world, api, {})


@pytest.fixture(scope="module")
def browsers(api: Api) -> Browsers:
    return Browsers(api)


def booked(family: Family, name: str, specialist: str = "Dr. North") -> str:
    """An appointment of now, one of its own each time, by whatever time it is."""
    world, start = family.world, datetime.now(UTC).replace(second=0, microsecond=0)
    ((appointment,),) = world.look(
        "insert into operational.appointment (clinic_id, patient_id, service, modality, specialist, status, booked_on,"
        " starts_on, starts_at) values (%s, %s, 'visit', 'in_person', %s, 'booked', %s, %s, %s)"
        " returning appointment_id",
        world.clinic_ids["north"], world.patients["north", name], specialist, today(), today(), start,
    )  # fmt: skip
    return str(appointment)


def disclosed(world: World, request: str) -> set[UUID]:
    query = "select patient_id from audit.disclosure as d join audit.access_event as e using (event_id)"
    return {row[0] for row in world.look(query + " where e.request_id = %s", UUID(request))}


@pytest.mark.check(21)
def test_a_specialist_sees_the_day_and_the_brief_and_both_are_recorded(family: Family, browsers: Browsers) -> None:
    appointment = booked(family, WREN)
    other = booked(family, FINCH, specialist="Dr. North Junior")
    day = browsers.get("specialist.north", "/agenda")
    assert WREN in day.text and other not in day.text, "only what is the specialist's own"
    patients = family.world.patients
    assert disclosed(family.world, day.headers["x-request-id"]) == {patients["north", WREN]}
    brief = browsers.get("specialist.north", f"/agenda/north/{appointment}")
    assert WREN in brief.text and "Not shared with this clinic now." in brief.text
    assert disclosed(family.world, brief.headers["x-request-id"]) == {patients["north", WREN]}
    for login, path in (("other.north", f"/agenda/north/{appointment}"), ("wren", "/agenda"),
                        ("staff.north", "/agenda"), ("specialist.south", "/agenda?clinic=north"),
                        ("specialist.north", "/agenda?clinic=south"),
                        ("specialist.north", f"/agenda/north/{other}")):  # fmt: skip
        assert "Canary" not in browsers.get(login, path, 404).text, (login, path)
    assert "No appointment" in browsers.get("specialist.north", "/agenda?day=2031-01-01").text
    for day in ("9999-12-31", "0001-01-01", "x"):
        browsers.get("specialist.north", f"/agenda?day={day}")


def test_a_specialist_says_what_became_of_it(family: Family, browsers: Browsers) -> None:
    one, two = booked(family, WREN), booked(family, WREN)
    at = f"/agenda/north/{one}"
    browsers.post("specialist.north", f"{at}/steps/complete", at)
    assert "Took place" in browsers.get("specialist.north", at).text
    again = browsers.post("specialist.north", f"{at}/steps/complete", at, 409)
    assert "It took place already." in again.text
    browsers.post("specialist.north", f"/agenda/north/{two}/steps/no-show", f"/agenda/north/{two}")
    browsers.post("specialist.north", f"{at}/steps/cancel", at, 404)
    assert "no video room here" in browsers.get("specialist.north", f"{at}/video", 409).text
    assert browsers.api.post(f"{at}/steps/complete").status_code == 404, "no token of the session"


def test_a_specialist_reads_a_form_as_text_and_hides_it_from_guardians(family: Family, browsers: Browsers) -> None:
    form = family.assign(FINCH, "intake")
    answers = {"reason": "other", "reason_text": MARKUP}
    family.done("finch", "POST", f"/me/forms/{form}/complete", {"answers": answers})
    page = browsers.get("specialist.north", f"/agenda/north/forms/{form}").text
    assert SHOWN in page and MARKUP not in page and "Something else" in page
    at = f"/agenda/north/forms/{form}"
    browsers.post("specialist.north", f"{at}/confidential", at, hidden="true")
    assert "Hidden from guardians" in browsers.get("specialist.north", at).text
    browsers.get("specialist.south", at, 404)
    browsers.get("manager.north", at, 404)


def test_a_plan_is_prescribed_by_the_day_with_faults_beside_the_fields(family: Family, browsers: Browsers) -> None:
    at = f"/agenda/north/patients/{family.world.patients['north', WREN]}/plans"
    assert WREN in browsers.get("specialist.north", at).text, "whom the plan is for"
    typed = {"title": MARKUP, "starts_on": str(today()), "ends_on": str(today() + days(6)), "0.name": "Bridge",
             "0.times": "40", "2.name": "Walk", "2.weekdays": ["1", "3"]}  # fmt: skip
    more = browsers.post("specialist.north", at, at, 200, do="more", **typed)
    assert 'name="4.name"' in more.text and SHOWN in more.text
    wrong = browsers.post("specialist.north", at, at, 422, do="prescribe", **typed)
    assert wrong.text.count('class="fault"') == 1 and 'value="Walk"' in wrong.text
    late = browsers.post("specialist.north", at, at, 422, **{**typed, "0.times": "2", "starts_on": "2020-01-01"})
    assert "This is over." in late.text
    browsers.post("specialist.north", at, at, do="prescribe", **{**typed, "0.times": "2"})
    plan = family.done("wren", "GET", "/me/plans")["plans"][0]
    assert plan["title"] == MARKUP
    assert [(e["name"], e["times"], e["weekdays"]) for e in plan["exercises"]] == [
        ("Bridge", 2, [1, 2, 3, 4, 5, 6, 7]), ("Walk", 1, [1, 3]),
    ]  # fmt: skip
    page = browsers.get("wren", "/me/exercises").text
    assert SHOWN in page and MARKUP not in page
    browsers.post("specialist.north", f"{at}/{plan['id']}/end", at)
    browsers.post("specialist.north", f"{at}/{plan['id']}/confidential", at, hidden="true")
    browsers.get("other.north", at, 404)


@pytest.mark.check(21)
def test_staff_has_the_days_list_and_each_patient_in_it_is_recorded(family: Family, browsers: Browsers) -> None:
    one = booked(family, WREN)
    at = "/clinics/north/appointments"
    day = browsers.get("staff.north", at)
    assert WREN in day.text and family.world.patients["north", WREN] in disclosed(
        family.world, day.headers["x-request-id"]
    )
    browsers.post("staff.north", f"{at}/{one}/steps/arrive", at)
    refused = browsers.post("staff.north", f"{at}/{one}/steps/cancel", at, 409, reason="clinic_asked")
    assert "cannot be done" in refused.text
    two = booked(family, WREN)
    wrong = browsers.post("staff.north", f"{at}/{two}/move", at, 422, starts_at="", day=str(today()))
    assert "This is needed." in wrong.text
    later = datetime.now(UTC) + timedelta(days=40)
    moved = browsers.post("staff.north", f"{at}/{two}/move", at, starts_at=f"{later:%Y-%m-%dT09:10}")
    assert "09:10" in browsers.get("staff.north", moved.headers["location"]).text
    browsers.post("staff.north", f"{at}/{two}/remind", at)
    assert "within the last twelve hours" in browsers.post("staff.north", f"{at}/{two}/remind", at, 409).text
    ask = f"/clinics/north/patients/{family.world.patients['north', WREN]}/consent-request"
    browsers.post("staff.north", ask, at)
    assert "within the last week" in browsers.post("staff.north", ask, at, 409).text
    for login in ("manager.north", "wren", "specialist.south", "manager.south"):
        assert "Canary" not in browsers.get(login, at, 404).text
    assert HERON not in browsers.get("staff.north", at).text
    browsers.get("staff.north", "/clinics/south/appointments", 404)


def test_staff_books_for_a_patient_and_for_somebody_new(family: Family, browsers: Browsers) -> None:
    at, later = "/clinics/north/book", datetime.now(UTC) + timedelta(days=50)
    patient = str(family.world.patients["north", WREN])
    assert patient in browsers.get("staff.north", f"{at}?patient={patient}").text
    offer = {"offer": "visit/Dr. North", "starts_at": f"{later:%Y-%m-%dT09:00}"}
    browsers.post("staff.north", at, at, key="1", patient=patient, **offer)
    wrong = browsers.post("staff.north", at, at, 422, key="2", name=MARKUP, email="no", **offer)
    assert SHOWN in wrong.text and MARKUP not in wrong.text and wrong.text.count('class="fault"') == 1
    taken = browsers.post("staff.north", at, at, 409, key="3", name="Egg", email="egg@example.org", **offer)
    assert "Something else is booked" in taken.text
    free = {**offer, "starts_at": f"{later:%Y-%m-%dT10:00}"}
    done = browsers.post("staff.north", at, at, key="4", name="Egg", email="egg@example.org", **free)
    assert "Egg" in browsers.get("staff.north", done.headers["location"]).text
    assert "No code was sent" not in browsers.get("staff.north", done.headers["location"]).text
    phone = {**offer, "starts_at": f"{later:%Y-%m-%dT11:00}", "name": "Chickling", "phone": "+5527999123456"}
    told = browsers.get("staff.north", browsers.post("staff.north", at, at, key="7", **phone).headers["location"]).text
    assert "Chickling" in told and "No code was sent" in told
    heron = str(family.world.patients["south", HERON])
    browsers.post("staff.north", at, at, 404, key="6", patient=heron, **free)
    browsers.post("specialist.north", at, "/agenda", 404, key="5", patient=patient, **free)


def free_times(page: str) -> list[str]:
    return re.findall(r'type="radio" name="starts_at" value="([^"]+)"', page)


def test_an_imported_appointment_takes_the_times_that_the_page_does_not_offer(
    family: Family, browsers: Browsers
) -> None:
    at, day = "/clinics/north/book", datetime.now(UTC).date() + timedelta(days=114)
    monday = day - timedelta(days=day.weekday())
    brought, patient = booked(family, WREN), str(family.world.patients["north", FINCH])
    family.world.change(
        "update operational.appointment as a set starts_on = %s, starts_at = %s::timestamp at time zone c.time_zone"
        " from operational.clinic as c where c.clinic_id = a.clinic_id and appointment_id = %s",
        monday, f"{monday}T10:15", brought,
    )  # fmt: skip
    offer = {"offer": "visit/Dr. North"}
    free = free_times(browsers.post("staff.north", at, at, 200, do=f"times {monday}", **offer).text)
    times = [f"{monday}T{time}" for time in ("09:30", "10:00", "10:30", "11:00")]
    assert [time in free for time in times] == [True, False, False, True]
    for time in times:
        status = 303 if time in free else 409
        browsers.post("staff.north", at, at, status, key=time, patient=patient, starts_at=time, **offer)


def test_where_the_patient_has_something_else_the_pages_say_so(family: Family, browsers: Browsers) -> None:
    day, list_ = today() + days(80), "/clinics/north/appointments"
    offer = {"offer": "visit/Dr. North", "starts_at": f"{day}T09:00"}
    book, wren = "/clinics/north/book", str(family.world.patients["north", WREN])
    browsers.post("staff.north", book, book, key="twice", patient=wren, **offer)
    brought = booked(family, WREN, "Dr. North Junior")
    family.world.change(
        "update operational.appointment set starts_on = %s, starts_at = %s::timestamp at time zone 'Europe/Berlin'"
        " where appointment_id = %s", day, f"{day}T10:15", brought,
    )  # fmt: skip
    listed = family.done("staff.north", "GET", f"{list_}?day={day}")["appointments"]
    (visit,) = [each["id"] for each in listed if each["id"] != brought]
    to = {"day": str(day), "starts_at": f"{day}T10:00"}
    moved = browsers.post("staff.north", f"{list_}/{visit}/move", f"{list_}?day={day}", 409, **to)
    assert "The same person has another appointment then." in moved.text
    shown = {"hidden": "false"}
    browsers.post("wren", f"/me/appointments/{visit}/confidential", "/me/appointments")
    family.world.change(
        "update operational.appointment as a set starts_on = v.starts_on, starts_at = v.starts_at"
        " from operational.appointment as v where v.appointment_id = %s and a.appointment_id = %s", visit, brought,
    )  # fmt: skip
    for login, path, shown_at in (
        ("wren", f"/me/appointments/{visit}/confidential", "/me/appointments"),
        ("specialist.north", f"/agenda/north/{visit}/confidential", f"/agenda/north/{visit}"),
    ):
        assert "move or cancel one of the two first" in browsers.post(login, path, shown_at, 409, **shown).text


def test_free_times_are_those_of_the_specialist_within_the_hours_and_tell_nobody(
    family: Family, browsers: Browsers
) -> None:
    at, day = "/clinics/north/book", datetime.now(UTC).date() + timedelta(days=100)
    monday = day - timedelta(days=day.weekday())
    taken, patient = f"{monday}T09:00", str(family.world.patients["north", WREN])
    offer = {"offer": "visit/Dr. North"}
    family.world.change("update operational.booking_setting set hours = default")
    browsers.post("staff.north", at, at, key="free", patient=patient, starts_at=taken, **offer)
    for who, where in (("wren", "/me/book/north"), ("staff.north", at)):
        page = browsers.post(who, where, where, 200, do=f"times {monday}", **offer)
        found = free_times(page.text)
        assert f"{monday}T08:30" in found and f"{monday}T09:30" in found and taken not in found
        assert found[0] == f"{monday}T08:00" and len(found) == 5 * 20 - 1, "Monday to Friday, eight to six, half hours"
        assert patient not in page.text
        events = family.world.look(
            "select distinct action, patients from audit.access_event where request_id = %s"
            " and action not in ('consent.list')", UUID(page.headers["x-request-id"]),
        )  # fmt: skip
        assert events == [("service.list", 0)]
    later = re.search(r'value="times ([^"]+)" formnovalidate>Later', page.text)
    assert later and later[1] == str(monday + timedelta(days=7))
    wednesday = monday + timedelta(days=2)
    family.world.change(
        'update operational.booking_setting set hours = \'{"wed": "10:00-11:00"}\' where clinic_id = %s',
        family.world.clinic_ids["north"],
    )
    try:
        page = browsers.post("wren", "/me/book/north", "/me/book/north", 200, do="times", starts_at=taken, **offer)
        assert free_times(page.text) == [f"{wednesday}T10:00", f"{wednesday}T10:30"]
        none = browsers.post("wren", "/me/book/north", "/me/book/north", 200, do="times", offer="visit/Dr. Nobody")
        assert "No time is free in these days." in none.text
        missing = browsers.post("wren", "/me/book/north", "/me/book/north", 200, do="times")
        assert "This is needed." in missing.text and not free_times(missing.text)
    finally:
        family.world.change("update operational.booking_setting set hours = %s", Jsonb(ALWAYS))


def test_an_admin_has_a_row_of_the_quarantine_tried_again(family: Family, browsers: Browsers) -> None:
    world, at = family.world, "/clinics/north/quarantine"
    mark = "select quarantine_id, retry_asked_at is not null from operational.quarantine where clinic_id = %s"
    ((entry, _),) = world.look(mark, world.clinic_ids["north"])
    kinds = "update operational.import_batch set kind = %s"
    browsers.post("admin", f"{at}/retry", at, 409, entry=entry)
    world.change(kinds, "csv")
    try:
        browsers.post("manager.north", f"{at}/retry", "/clinics/north", 404, entry=entry)
        assert world.look(mark, world.clinic_ids["north"]) == [(entry, False)]
        browsers.post("admin", f"{at}/retry", at, entry=entry)
        assert world.look(mark, world.clinic_ids["north"]) == [(entry, True)]
        assert "anary" not in browsers.get("admin", at).text
    finally:
        world.change(kinds, None)


def test_staff_decides_a_doubtful_registration(family: Family, browsers: Browsers) -> None:
    at, case = "/clinics/north/merges", family.world.cases["north"]
    page = browsers.get("staff.north", at).text
    assert FINCH in page and WREN in page
    browsers.post("specialist.north", f"{at}/{case}", "/agenda", 404, decision="distinct")
    browsers.post("staff.north", f"{at}/{case}", at, decision="distinct")
    assert "There is nothing to decide." in browsers.get("staff.north", at).text


def test_a_newcomer_books_without_an_account_where_the_clinic_has_opened_its_page(
    family: Family, browsers: Browsers
) -> None:
    api, world, at = browsers.api, family.world, "/book/north"
    api.cookies.clear()
    assert api.get(at).status_code == 404, "closed until an operator opens it"
    open_page(world.server, "north")
    later = datetime.now(UTC) + timedelta(days=60)
    asked = {**fields(api.get(at).text), "name": MARKUP, "offer": "visit/Dr. North",
             "starts_at": f"{later:%Y-%m-%dT09:00}", "email": "egret@example.org"}  # fmt: skip
    looked = api.post(at, data={**asked, "do": "times"})
    assert free_times(looked.text) and SHOWN in looked.text
    asked["form"] = fields(looked.text)["form"]
    wrong = api.post(at, data={**asked, "email": "none"})
    assert wrong.status_code == 422 and wrong.text.count('class="fault"') == 1
    assert SHOWN in wrong.text and MARKUP not in wrong.text
    asked["form"] = fields(wrong.text)["form"]
    answers = [api.post(at, data=asked) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200], "a form that is sent twice books once"
    theirs = "join operational.person as p using (person_id) where p.name = %s"
    registered = f"operational.appointment join operational.registration using (clinic_id, patient_id) {theirs}"
    assert world.look(f"select count(*) from {registered}", MARKUP) == [(1,)]
    kinds = f"select kind from operational.message {theirs}"
    assert {row[0] for row in world.look(kinds, MARKUP)} == {"code", "booking_confirmed"}
    made = "select role, decision from audit.access_event where request_id = %s and action = 'appointment.book'"
    assert world.look(made, UUID(answers[0].headers["x-request-id"])) == [("automation_system", "permit")]
    assert api.post(at, data={**asked, "form": "forged"}).status_code == 400
    assert api.get("/book/south").status_code == 404 and api.get("/book/nowhere").status_code == 404
    assert browsers.get("wren", at, 303).headers["location"] == "/me/book/north"
    close_page(world.server, "north")
    api.cookies.clear()
    assert api.get(at).status_code == 404
    with pytest.raises(InvalidInput):
        open_page(world.server, "nowhere")
