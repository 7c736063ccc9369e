"""Times that an import's appointments take, which say no end: as long as their service, as the free times have it."""

import re
from typing import Any
from uuid import uuid4

import pytest
from access_world import CHICK, DELETED, FINCH, WREN, Api, World, insert
from booking import added, as_key, ask, at, counts, errors, newcomer, post, sign_in, someone

from api.appointments import steps_repository as steps
from api.bookings import repository as bookings
from infra.database import connect, connect_admin, set_context
from infra.roles import Login

JUNIOR = "Dr. North Junior"


def bring(world: World, hour: float, clinic: str = "north", name: str = FINCH, **other: Any) -> str:
    """An appointment as an import leaves it: half an hour by its service, and no end."""
    of = {"clinic_id": world.clinic_ids[clinic], "patient_id": world.patients[clinic, name]}
    when = {"booked_on": "2026-01-01", "starts_on": at(hour)[:10], "starts_at": at(hour)}
    one = {"appointment_id": uuid4(), "specialist": f"Dr. {clinic.title()}", "service": "visit", "status": "booked"}
    with connect_admin(world.server) as admin:
        insert(admin, "appointment", {**of, **when, **one, **other})
    return str(one["appointment_id"])


def move(api: Api, who: dict[str, str], appointment: str, hour: float, **other: Any) -> Any:
    path = f"/v1/clinics/north/appointments/{appointment}/reschedule"
    return api.post(path, json={"starts_at": at(hour), **other}, headers=who)


def offered_by(world: World, *names: str) -> None:
    query = "update operational.service set specialists = %s where service = 'visit' and clinic_id = %s"
    world.change(query, list(names), world.clinic_ids["north"])


@pytest.fixture
def two(world: World) -> Any:
    """Both of north's specialists offer visits."""
    offered_by(world, "Dr. North", JUNIOR)
    yield
    offered_by(world, "Dr. North")


@pytest.mark.parametrize("of_service", ["visit", "nowhere"])
def test_a_specialists_imported_appointment_takes_its_time(world: World, api: Api, of_service: str) -> None:
    hour = 9 if of_service == "visit" else 13
    bring(world, hour, service=of_service)
    before = counts(world)
    for minutes in (-29, 0, 29):
        taken = post(api, as_key(world), ask(starts_at=at(hour + minutes / 60), patient=newcomer()))
        assert (taken.status_code, errors(taken)) == (409, [("body.specialist", "double_booked")]), minutes
    own = post(api, sign_in(api, "wren"), ask(starts_at=at(hour)))
    assert (own.status_code, errors(own)) == (409, [("body.specialist", "double_booked")])
    assert added(world, before) == dict.fromkeys(before, 0)
    for minutes in (-30, 30):
        free = post(api, as_key(world), ask(starts_at=at(hour + minutes / 60), patient=newcomer()))
        assert free.status_code == 201, free.text


def test_it_takes_as_long_as_its_service(world: World, api: Api) -> None:
    bring(world, 33, service="call")
    world.change("update operational.service set minutes = 480 where service = 'call'")
    late = post(api, as_key(world), ask(starts_at=at(40.9), patient=newcomer()))
    free = post(api, as_key(world), ask(starts_at=at(41), patient=newcomer()))
    world.change("update operational.service set minutes = 30 where service = 'call'")
    assert (late.status_code, free.status_code) == (409, 201)


@pytest.mark.check(46)
def test_what_is_no_appointment_of_the_clinics_specialist_is_in_nobodys_way(world: World, api: Api) -> None:
    bring(world, 60, status="cancelled")
    bring(world, 60, status="noshow")
    bring(world, 60, specialist=JUNIOR)
    bring(world, 60, starts_at=None)
    bring(world, 60, clinic="south", specialist="Dr. North")
    gone = bring(world, 60)
    world.change(f"update operational.appointment set {DELETED} where appointment_id = %s", gone)
    assert post(api, as_key(world), ask(starts_at=at(60), patient=newcomer())).status_code == 201
    bring(world, 62)
    south = post(api, as_key(world, "south.bookings"), ask("south", starts_at=at(62), patient=newcomer()), "south")
    assert south.status_code == 201, south.text


@pytest.mark.parametrize(("zone", "day"), [("Pacific/Kiritimati", 20), ("Etc/GMT+12", 21), ("Europe/Berlin", 22)])
def test_it_is_found_on_the_clinics_own_day(world: World, api: Api, zone: str, day: int) -> None:
    where = "update operational.clinic set time_zone = %s where clinic_id = %s"
    ((before,),) = world.look("select time_zone from operational.clinic where slug = 'north'")
    world.change(where, zone, world.clinic_ids["north"])
    on = "update operational.appointment set starts_on = (starts_at at time zone %s)::date where appointment_id = %s"
    ended = []
    for hour in (24 * day + 0.25, 24 * day + 12, 24 * day + 23.5):
        world.change(on, zone, bring(world, hour))
        ended.append(errors(post(api, as_key(world), ask(starts_at=at(hour + 0.25), patient=newcomer()))))
    world.change(where, before, world.clinic_ids["north"])
    assert ended == [[("body.specialist", "double_booked")]] * 3


def test_a_patients_imported_appointment_takes_their_time(world: World, api: Api, two: None) -> None:
    _ = two
    source = someone(source_id="brought")
    known = post(api, as_key(world), ask(starts_at=at(80), patient=source)).json()["patient"]
    hidden = post(api, as_key(world), ask(starts_at=at(81), patient=newcomer())).json()["patient"]
    dependent = {"dependent": str(world.guardianship)}
    assert post(api, sign_in(api, "finch"), ask(starts_at=at(82), **dependent)).status_code == 201
    chick = "select patient_id from operational.registration where clinic_id = %s and person_id = %s"
    ((chicks,),) = world.look(chick, world.clinic_ids["north"], world.people[CHICK])
    for patient in (world.patients["north", WREN], chicks, known):
        bring(world, 84, specialist=JUNIOR, patient_id=patient)
    bring(world, 84, specialist=JUNIOR, patient_id=hidden, confidential=True)
    before = counts(world)
    for who, body in (
        (as_key(world), {"patient": {"id": known}}),
        (as_key(world), {"patient": {"source_id": "brought"}}),
        (sign_in(api, "wren"), {}),
        (sign_in(api, "finch"), dependent),
    ):
        taken = post(api, who, ask(starts_at=at(84), **body))
        assert (taken.status_code, errors(taken)) == (409, [("body.starts_at", "double_booked")]), body
    assert added(world, before) == dict.fromkeys(before, 0)
    assert post(api, as_key(world), ask(starts_at=at(84), patient={"id": hidden})).status_code == 201
    assert post(api, sign_in(api, "wren"), ask(starts_at=at(84.5))).status_code == 201


def test_nothing_is_moved_to_where_an_import_has_something(world: World, api: Api, two: None) -> None:
    _ = two
    staff = sign_in(api, "staff.north")
    booked = post(api, as_key(world), ask(starts_at=at(100), patient=newcomer())).json()
    bring(world, 102)
    bring(world, 104, specialist=JUNIOR, patient_id=booked["patient"])
    for hour, rule in ((102.25, "double_booked"), (104.25, "patient_double_booked")):
        taken = move(api, staff, booked["id"], hour)
        assert (taken.status_code, errors(taken)) == (409, [("body.starts_at", rule)])
    with_junior = move(api, staff, booked["id"], 104.25, specialist=JUNIOR)
    assert errors(with_junior) == [("body.starts_at", "double_booked")]
    world.change("update operational.appointment set confidential = true where appointment_id = %s", booked["id"])
    assert move(api, staff, booked["id"], 104.25).status_code == 200
    own = post(api, sign_in(api, "wren"), ask(starts_at=at(106))).json()["id"]
    answer = api.post(
        f"/v1/me/appointments/{own}/reschedule", json={"starts_at": at(102)}, headers=sign_in(api, "wren")
    )
    assert (answer.status_code, errors(answer)) == (409, [("body.starts_at", "double_booked")])


def test_what_an_import_brought_is_moved_within_its_own_time_and_has_an_end_then(world: World, api: Api) -> None:
    staff, brought = sign_in(api, "staff.north"), bring(world, 120)
    moved = move(api, staff, brought, 120.25)
    assert (moved.status_code, moved.json()["ends_at"][:16]) == (200, at(120.75)[:16])
    nobodys = bring(world, 122, specialist=None, service="nowhere")
    assert move(api, staff, nobodys, 122.25).status_code == 200
    elsewhere = bring(world, 124, specialist="Dr. Elsewhere", service="nowhere")
    assert move(api, staff, elsewhere, 124.25).status_code == 200


def test_a_correction_takes_no_time_that_an_import_has_by_now(world: World, api: Api) -> None:
    staff = sign_in(api, "staff.north")
    booked = post(api, as_key(world), ask(starts_at=at(130), patient=newcomer())).json()["id"]
    path = f"/v1/clinics/north/appointments/{booked}"
    assert api.post(f"{path}/cancel", headers=staff).status_code == 200
    bring(world, 130.25)
    back = {"status": "booked", "reason": "entered_wrongly"}
    taken = api.post(f"{path}/correct", json=back, headers=staff)
    assert (taken.status_code, errors(taken)) == (409, [("body.starts_at", "double_booked")])
    world.change("update operational.appointment set status = 'arrived' where appointment_id = %s", booked)
    assert api.post(f"{path}/correct", json=back, headers=staff).status_code == 200


def test_what_an_import_brought_comes_back_to_no_time_that_was_booked_meanwhile(world: World, api: Api) -> None:
    staff, back = sign_in(api, "staff.north"), {"status": "booked", "reason": "entered_wrongly"}
    brought, deleted, kept = bring(world, 140), bring(world, 142), bring(world, 144)
    assert api.post(f"/v1/clinics/north/appointments/{brought}/cancel", headers=staff).status_code == 200
    gone = api.post(f"/v1/clinics/north/deletions/appointment/{deleted}", json={"reason": "mistake"}, headers=staff)
    assert gone.status_code == 200, gone.text
    for hour in (140.25, 142.25):
        assert post(api, as_key(world), ask(starts_at=at(hour), patient=newcomer())).status_code == 201
    taken = api.post(f"/v1/clinics/north/appointments/{brought}/correct", json=back, headers=staff)
    assert (taken.status_code, errors(taken)) == (409, [("body.starts_at", "double_booked")])
    admin = sign_in(api, "admin")
    undone = api.post(f"/v1/clinics/north/deletions/appointment/{deleted}/undo", headers=admin)
    assert (undone.status_code, errors(undone)) == (409, [("path.record", "double_booked")])
    for name in ("cancel", "correct"):
        assert (
            api.post(
                f"/v1/clinics/north/appointments/{kept}/{name}", json=back if name == "correct" else None, headers=staff
            ).status_code
            == 200
        )


def test_what_is_over_comes_back_beside_whatever_was_then(world: World, api: Api) -> None:
    staff, of_wren = sign_in(api, "staff.north"), {"patient_id": world.patients["north", WREN]}
    deleted, hidden = bring(world, -720), bring(world, -700, **of_wren, confidential=True)
    bring(world, -720), bring(world, -700, **of_wren, specialist=JUNIOR)
    path = f"/v1/clinics/north/deletions/appointment/{deleted}"
    assert api.post(path, json={"reason": "mistake"}, headers=staff).status_code == 200
    assert api.post(f"{path}/undo", headers=sign_in(api, "admin")).status_code == 200
    assert show(api, "wren", hidden).is_success


def show(api: Api, who: str, appointment: str, at_clinic: str = "me") -> Any:
    """Have a hidden appointment shown again."""
    path = f"/v1/{at_clinic}/appointments/{appointment}/confidential"
    return api.post(path, json={"confidential": False}, headers=sign_in(api, who))


@pytest.mark.check(52)
def test_what_was_hidden_is_shown_at_no_time_that_an_import_has_by_now(world: World, api: Api) -> None:
    wren = sign_in(api, "wren")
    hidden = post(api, wren, ask(starts_at=at(150))).json()["id"]
    assert api.post(f"/v1/me/appointments/{hidden}/confidential", headers=wren).is_success
    brought = bring(world, 150.25, patient_id=world.patients["north", WREN], specialist=JUNIOR)
    for who, at_clinic in (("wren", "me"), ("specialist.north", "clinics/north")):
        taken = show(api, who, hidden, at_clinic)
        assert (taken.status_code, errors(taken)) == (409, [("body.confidential", "double_booked")]), who
    world.change(f"update operational.appointment set {DELETED} where appointment_id = %s", brought)
    assert show(api, "wren", hidden).is_success and show(api, "wren", hidden).is_success


@pytest.mark.check(52)
def test_what_an_import_brought_is_shown_at_no_time_that_was_booked_meanwhile(world: World, api: Api) -> None:
    of_wren = {"patient_id": world.patients["north", WREN], "specialist": JUNIOR, "confidential": True}
    brought, cancelled = bring(world, 160.25, **of_wren), bring(world, 160.5, **of_wren, status="cancelled")
    assert post(api, sign_in(api, "wren"), ask(starts_at=at(160))).status_code == 201
    taken = show(api, "wren", brought)
    assert (taken.status_code, errors(taken)) == (409, [("body.confidential", "double_booked")])
    assert show(api, "wren", cancelled).is_success


def test_what_was_hidden_is_shown_though_its_specialist_has_something_of_an_import(world: World, api: Api) -> None:
    wren, path = sign_in(api, "wren"), "/v1/me/appointments/{}/confidential"
    hidden = post(api, wren, ask(starts_at=at(170))).json()["id"]
    assert api.post(path.format(hidden), headers=wren).is_success
    bring(world, 170.25)
    assert api.post(path.format(hidden), json={"confidential": False}, headers=wren).is_success


def test_an_undo_of_what_is_hidden_looks_for_the_specialist_alone(world: World, api: Api) -> None:
    wren, staff, admin = (sign_in(api, who) for who in ("wren", "staff.north", "admin"))
    gone = post(api, wren, ask(starts_at=at(180))).json()["id"]
    assert api.post(f"/v1/me/appointments/{gone}/confidential", headers=wren).is_success
    path = f"/v1/clinics/north/deletions/appointment/{gone}"
    assert api.post(path, json={"reason": "mistake"}, headers=staff).is_success
    bring(world, 180.25, patient_id=world.patients["north", WREN], specialist=JUNIOR)
    assert api.post(f"{path}/undo", headers=admin).is_success


STATEMENTS = {
    "claim": (bookings._CLAIM, {"appointment_endless"}),
    "by_id": (bookings._BY_ID, {"appointment_patient"}),
    "by_person": (bookings._BY_PERSON, {"appointment_patient"}),
    "by_source": (bookings._BY_SOURCE, {"appointment_patient"}),
    "step": (steps._FREE, {"appointment_day", "appointment_patient"}),
}


@pytest.fixture(scope="module")
def crowded(world: World) -> World:
    """Both clinics have many days with many appointments."""
    with connect_admin(world.server) as admin:
        admin.execute("set session_replication_role = replica")  # nobody is told
        admin.execute(
            "insert into operational.appointment (clinic_id, patient_id, specialist, status, booked_on, starts_on,"
            " starts_at) select c, gen_random_uuid(), 'Dr. Then', 'booked', d, d, d"
            " from unnest(%s::integer[]) as c cross join generate_series(1, 20000) as n"
            " cross join lateral (select date '2026-01-01' - n / 50 as d) as x", [list(world.clinic_ids.values())],
        )  # fmt: skip
        admin.execute("analyze operational.appointment")
    return world


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_look_goes_along_an_index_whatever_a_clinic_has(crowded: World, name: str) -> None:
    statement, indexes = STATEMENTS[name]
    names: dict[str, int] = {}
    text = re.sub(r"%\((\w+)\)s", lambda found: f"${names.setdefault(found[1], len(names) + 1)}", statement.as_string())
    with connect(Login.SERVICE, at=crowded.server) as connection:
        set_context(connection, clinic_id=crowded.clinic_ids["north"])
        lines = connection.execute(f"explain (generic_plan) {text}").fetchall()
    plan = "\n".join(line for (line,) in lines)
    assert set(re.findall(r"Scan (?:using|on) (appointment_\w+)", plan)) == indexes, plan
    assert "Seq Scan on appointment" not in plan and "hashed" not in plan, plan
