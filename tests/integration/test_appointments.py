"""What becomes of appointments: explicit steps with a history, lists of them, and the way into a video room."""

import json
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from access_world import DELETED, FINCH, WREN, Api, World, sign_in
from booking import as_key, ask, at, errors, post, someone
from joserfc import jwt
from joserfc.jwk import OctKey

from api.video import Jitsi
from infra.database import read_secret


def book(world: World, api: Api, hour: float, **other: Any) -> str:
    answer = post(api, as_key(world), ask(starts_at=at(hour), **{"patient": someone(), **other}))
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found


def step(api: Api, who: dict[str, str], appointment: str, name: str, clinic: str = "north", **body: Any) -> Any:
    return api.post(f"/v1/clinics/{clinic}/appointments/{appointment}/{name}", json=body, headers=who)


def history(world: World, appointment: str) -> list[tuple[Any, ...]]:
    return world.look(
        "select step, from_status, to_status, role, reason from operational.appointment_event"
        " where appointment_id = %s order by happened_at",
        appointment,
    )


def past(world: World, appointment: str, **ago: float) -> None:
    """Move an appointment to so long ago, as time would."""
    start = datetime.now(UTC) - timedelta(**ago)
    # What other tests moved there makes room.
    world.change("update operational.appointment set ends_at = null where starts_at < now()")
    world.change(
        "update operational.appointment set booked_on = %s, starts_on = %s, starts_at = %s, ends_at = %s"
        " where appointment_id = %s",
        start.date(), start.date(), start, start + timedelta(minutes=30), appointment,
    )  # fmt: skip


def test_every_step_stands_in_the_history(world: World, api: Api) -> None:
    staff, appointment = sign_in(api, "staff.north"), book(world, api, 1)
    moved = step(api, staff, appointment, "reschedule", starts_at=at(2), reason="patient_asked")
    assert (moved.status_code, moved.json()["starts_at"][:16]) == (200, at(2)[:16])
    past(world, appointment, minutes=5)
    for name in ("arrive", "complete"):
        assert step(api, staff, appointment, name).status_code == 200
    corrected = step(api, staff, appointment, "correct", status="noshow", reason="entered_wrongly")
    assert corrected.json()["status"] == "noshow"
    assert history(world, appointment) == [
        ("book", None, "booked", "automation_system", None),
        ("reschedule", "booked", "booked", "clinic_staff", "patient_asked"),
        ("arrive", "booked", "arrived", "clinic_staff", None),
        ("complete", "arrived", "fulfilled", "clinic_staff", None),
        ("correct", "fulfilled", "noshow", "clinic_staff", "entered_wrongly"),
    ]


@pytest.mark.parametrize("status", ["cancelled", "fulfilled", "noshow"])
def test_what_is_over_stays_so_but_for_a_correction_with_a_reason(world: World, api: Api, status: str) -> None:
    staff, appointment = sign_in(api, "staff.north"), book(world, api, 3)
    world.change("update operational.appointment set status = %s where appointment_id = %s", status, appointment)
    for name in ("reschedule", "cancel", "arrive", "complete", "no-show"):
        answer = step(api, staff, appointment, name, starts_at=at(4))
        assert (answer.status_code, errors(answer)) == (409, [("path.appointment", f"is_{status}")])
    unreasoned = step(api, staff, appointment, "correct", status="booked")
    assert (unreasoned.status_code, errors(unreasoned)) == (422, [("body.reason", "missing")])
    same = step(api, staff, appointment, "correct", status=status, reason="other")
    assert (same.status_code, errors(same)) == (409, [("body.status", "same")])
    assert len(history(world, appointment)) == 1
    world.change(f"update operational.appointment set {DELETED} where appointment_id = %s", appointment)
    assert step(api, staff, appointment, "correct", status="booked", reason="other").status_code == 404


def test_nobody_comes_before_the_day_or_is_missed_before_the_time(world: World, api: Api) -> None:
    staff, appointment = sign_in(api, "staff.north"), book(world, api, 5)
    for name in ("arrive", "complete", "no-show"):
        assert errors(step(api, staff, appointment, name)) == [("path.appointment", "not_yet")]
    past(world, appointment, minutes=1)
    assert step(api, staff, appointment, "no-show").json()["status"] == "noshow"


def test_a_cancelled_time_is_free_and_a_moved_one_may_not_be(world: World, api: Api) -> None:
    staff, first, second = sign_in(api, "staff.north"), book(world, api, 6), book(world, api, 7)
    taken = step(api, staff, second, "reschedule", starts_at=at(6.25))
    assert (taken.status_code, errors(taken)) == (409, [("body.starts_at", "double_booked")])
    assert step(api, staff, first, "cancel").status_code == 200
    assert step(api, staff, second, "reschedule", starts_at=at(6.25)).status_code == 200
    back = step(api, staff, first, "correct", status="booked", reason="entered_wrongly")
    assert (back.status_code, errors(back)) == (409, [("body.starts_at", "double_booked")])


@pytest.mark.parametrize(
    ("body", "place", "rule"),
    [
        ({}, "body.starts_at", "missing"),
        ({"starts_at": "2024-02-29T00:00:00Z"}, "body.starts_at", "past"),
        ({"starts_at": "2099-01-01T00:00:00Z"}, "body.starts_at", "too_far_ahead"),
        ({"starts_at": at(8), "specialist": "Dr. South"}, "body.specialist", "not_offered"),
        ({"starts_at": at(8), "reason": "Canary story"}, "body.reason", "enum"),
    ],
)
@pytest.mark.check(41)
def test_a_bad_rescheduling_names_its_field(
    world: World, api: Api, body: dict[str, str], place: str, rule: str
) -> None:
    staff = sign_in(api, "staff.north")
    answer = step(api, staff, str(world.appointments["north"]), "reschedule", **body)
    assert (answer.status_code, errors(answer)) == (422, [(place, rule)])


def test_nobody_is_moved_to_a_specialist_who_sees_nobody_now(world: World, api: Api) -> None:
    appointment = book(world, api, 90)
    active = "update operational.specialist set is_active = %s where name = 'Dr. North'"
    world.change(active, False)
    answer = step(api, sign_in(api, "staff.north"), appointment, "reschedule", starts_at=at(91))
    world.change(active, True)
    assert (answer.status_code, errors(answer)) == (409, [("body.specialist", "not_offered")])


def test_who_may_take_which_step(world: World, api: Api) -> None:
    """Specialists say who came to their own appointments; keys move and cancel; nobody else anything."""
    appointment = book(world, api, 9)
    past(world, appointment, minutes=3)
    specialist, other = sign_in(api, "specialist.north"), sign_in(api, "other.north")
    for who, names in (
        (other, ("reschedule", "cancel", "arrive", "complete", "no-show", "correct")),
        (specialist, ("reschedule", "cancel", "correct")),
        (as_key(world), ("arrive", "complete", "no-show", "correct")),
        (as_key(world, "north"), ("cancel", "arrive")),
        (sign_in(api, "manager.north"), ("cancel", "arrive", "correct")),
        (sign_in(api, "wren"), ("cancel", "arrive", "correct")),
        (as_key(world, "south.bookings"), ("cancel",)),
    ):
        for name in names:
            assert step(api, who, appointment, name).status_code == 404, name
    assert step(api, specialist, appointment, "arrive").status_code == 200
    assert history(world, appointment)[-1][3] == "specialist"


@pytest.mark.check(7)
def test_an_appointment_of_another_clinic_is_not_there(world: World, api: Api) -> None:
    staff = sign_in(api, "staff.north")
    for name in ("cancel", "arrive", "correct", "reschedule"):
        answers = [
            step(api, staff, appointment, name) for appointment in (str(world.appointments["south"]), str(uuid4()), "x")
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1


def test_patients_move_and_cancel_their_own_before_it_begins(world: World, api: Api) -> None:
    wren = sign_in(api, "wren")
    answer = post(api, wren, ask(starts_at=at(10)))
    appointment = answer.json()["id"]
    own = f"/v1/me/appointments/{appointment}"
    assert api.post(f"{own}/reschedule", json={"starts_at": at(11)}, headers=wren).status_code == 200
    assert api.post(f"{own}/cancel", headers=sign_in(api, "finch")).status_code == 404
    past(world, appointment, minutes=1)
    late = api.post(f"{own}/cancel", headers=wren)
    assert (late.status_code, errors(late)) == (409, [("path.appointment", "has_begun")])
    assert [row[3] for row in history(world, appointment)] == ["patient", "patient"]


@pytest.mark.check(52)
def test_a_guardian_has_a_dependents_appointments_but_for_confidential_ones(world: World, api: Api) -> None:
    finch, base = sign_in(api, "finch"), f"/v1/me/dependents/{world.guardianship}/appointments"
    made = [post(api, finch, ask(starts_at=at(h), dependent=str(world.guardianship))).json()["id"] for h in (12, 13)]
    world.change("update operational.appointment set confidential = true where appointment_id = %s", made[0])
    listed = api.get(base, headers=finch).json()["appointments"]
    assert [found["id"] for found in listed] == [made[1]]
    assert api.post(f"{base}/{made[0]}/cancel", headers=finch).status_code == 404
    assert api.post(f"{base}/{made[1]}/cancel", headers=finch).json()["status"] == "cancelled"
    assert api.post(f"{base}/{made[1]}/cancel", headers=sign_in(api, "heron")).status_code == 404
    assert api.get(base, headers=sign_in(api, "heron")).status_code == 404


def test_own_appointments_of_every_clinic_come_in_pages(world: World, api: Api) -> None:
    finch = sign_in(api, "finch")
    whole = api.get("/v1/me/appointments", headers=finch).json()
    assert whole["next"] is None
    assert {found["clinic"] for found in whole["appointments"]} == {"north", "south"}
    assert {("call", "Call")} <= {(found["service"], found["service_name"]) for found in whole["appointments"]}
    paged, cursor = [], None
    while cursor is not None or not paged:
        page = api.get(
            "/v1/me/appointments", params={"limit": 1, **({"cursor": cursor} if cursor else {})}, headers=finch
        )
        paged += page.json()["appointments"]
        cursor = page.json()["next"]
    assert paged == whole["appointments"] and len(paged) >= 4
    first = api.get("/v1/me/appointments", params={"limit": 1}, headers=finch).json()["next"]
    assert api.get("/v1/me/appointments", params={"cursor": first}, headers=sign_in(api, "wren")).status_code == 404


def test_staff_sees_a_day_and_specialists_their_own(world: World, api: Api) -> None:
    day = at(30)[:10]
    asked = [
        ask(starts_at=at(30 + index / 2), patient={"id": str(world.patients["north", name])})
        for index, name in enumerate((FINCH, WREN))
    ]
    for each in asked:
        assert post(api, as_key(world), each).status_code == 201
    world.change("update operational.service set specialists = array['Dr. North', 'Dr. North Junior']")
    junior = ask(specialist="Dr. North Junior", starts_at=at(32), patient=someone())
    assert post(api, as_key(world), junior).status_code == 201
    path = "/v1/clinics/north/appointments"
    staff = api.get(path, params={"day": day}, headers=sign_in(api, "staff.north")).json()["appointments"]
    assert [found["name"] for found in staff] == [FINCH, WREN, "Canary Swift"]
    assert staff[0]["forms"]["pending"] >= 1 and "phone" not in staff[0]
    own = api.get(path, params={"day": day}, headers=sign_in(api, "specialist.north")).json()["appointments"]
    assert [found["name"] for found in own] == [FINCH, WREN]
    assert api.get(path, params={"day": day}, headers=sign_in(api, "other.north")).json()["appointments"] == []
    answer = api.get(path, params={"day": day, "limit": 2}, headers=sign_in(api, "staff.north"))
    recorded = "inner join audit.disclosure as d on d.event_id = e.event_id where e.request_id = %s"
    named = world.look(f"select count(*) from audit.access_event as e {recorded}", answer.headers["x-request-id"])
    page = answer.json()
    assert named == [(len(page["appointments"]),)]
    rest = api.get(path, params={"day": day, "cursor": page["next"]}, headers=sign_in(api, "staff.north")).json()
    assert page["appointments"] + rest["appointments"] == staff
    assert api.get(path, params={"cursor": page["next"]}, headers=sign_in(api, "staff.north")).status_code == 404
    assert api.get(path, headers=as_key(world)).status_code == 404
    disclosed = world.look(
        "select e.patients from audit.access_event as e where e.action = 'agenda.read' and e.decision = 'permit'"
        " order by occurred_at limit 1"
    )
    assert disclosed == [(2,)]


def test_a_day_that_is_none_is_refused(world: World, api: Api) -> None:
    answer = api.get("/v1/clinics/north/appointments?day=2027-02-29", headers=sign_in(api, "staff.north"))
    assert (answer.status_code, errors(answer)[0][0]) == (422, "query.day")


@pytest.fixture
def jitsi(api: Api) -> Jitsi:
    """The application with a Jitsi server, which nothing calls."""
    found = Jitsi("https://meet.example.org", "cloister", read_secret(Path(api.server.secrets_folder / "jitsi")))
    object.__setattr__(api.app.state.services, "video", found)
    return found


def claims_of(api: Api, link: str) -> dict[str, Any]:
    """What a link's token says, proven with the secret as the Jitsi server would."""
    key = OctKey.import_key(read_secret(api.server.secrets_folder / "jitsi"))
    return jwt.decode(link.partition("?jwt=")[2], key, algorithms=["HS256"]).claims


def test_a_room_opens_to_patient_and_specialist_around_its_time(world: World, api: Api, jitsi: Jitsi) -> None:
    _ = jitsi
    appointment = str(world.appointments["north"])
    at_clinic, own = f"/v1/clinics/north/appointments/{appointment}/video", f"/v1/me/appointments/{appointment}/video"
    specialist, finch = sign_in(api, "specialist.north"), sign_in(api, "finch")
    early = api.get(own, headers=finch)
    assert (early.status_code, errors(early)) == (409, [("path.appointment", "not_now")])
    past(world, appointment, minutes=10)
    links = [api.get(at_clinic, headers=specialist).json(), api.get(own, headers=finch).json()]
    claims = [claims_of(api, found["link"]) for found in links]
    assert [claim["context"]["user"]["moderator"] for claim in claims] == [True, False]
    assert {claim["room"] for claim in claims} == {"north-canary-room-of-a-visit-by-video"}
    ends = datetime.fromisoformat(links[0]["expires_at"])
    assert {claim["exp"] for claim in claims} == {int(ends.timestamp())}
    assert timedelta(0) < ends - datetime.now(UTC) <= timedelta(minutes=60)
    assert "Canary Finch" not in json.dumps(claims)
    for path, login in ((at_clinic, "other.north"), (at_clinic, "staff.north"), (own, "wren"), (at_clinic, "finch")):
        assert api.get(path, headers=sign_in(api, login)).status_code == 404, (path, login)
    past(world, appointment, hours=2)
    assert errors(api.get(own, headers=finch)) == [("path.appointment", "not_now")]


def test_rooms_cannot_be_guessed(world: World, api: Api) -> None:
    made = [book(world, api, 60 + index, service="call") for index in range(3)]
    rooms = [
        room for (room,) in world.look("select room from operational.video_room where appointment_id = any(%s)", made)
    ]
    assert len(set(rooms)) == 3
    assert all(len(urlsafe_b64decode(f"{room}=")) == 32 for room in rooms)
    for appointment in made:
        assert not any(UUID(appointment).hex[:8] in room for room in rooms)


def test_a_visit_in_person_has_no_room(world: World, api: Api, jitsi: Jitsi) -> None:
    _ = jitsi
    answer = post(api, sign_in(api, "finch"), ask(starts_at=at(70)))
    path = f"/v1/me/appointments/{answer.json()['id']}/video"
    assert errors(api.get(path, headers=sign_in(api, "finch"))) == [("path.appointment", "no_video")]
