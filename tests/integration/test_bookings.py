"""Bookings: one operation that makes whatever a first appointment needs, once, and tells nobody who was known."""

from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from time import sleep
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest
from access_world import CHICK, DELETED, FINCH, HERON, WREN, Api, World
from booking import ONE_NEW, added, as_key, ask, at, counts, errors, newcomer, post, sign_in, someone

from infra.database import connect_admin
from tests.integration.posting import mail_server, send

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.check(39)
def test_a_first_booking_makes_everything_once(world: World, api: Api) -> None:
    before = counts(world)
    answer = post(api, as_key(world), ask(service="call", patient=newcomer(source_id="first")))
    assert answer.status_code == 201, answer.text
    # Registration and service ask for the same form.
    assert added(world, before) == ONE_NEW
    found = world.look(
        "select p.verified_at is null, q.birth_date is null and q.email is null and q.phone is null, a.specialist,"
        " a.status, length(v.room) >= 43, r.patient_id"
        " from operational.appointment as a"
        " inner join operational.registration as r on r.clinic_id = a.clinic_id and r.patient_id = a.patient_id"
        " inner join operational.person as p on p.person_id = r.person_id"
        " inner join operational.profile as q on q.person_id = r.person_id"
        " inner join operational.video_room as v on v.appointment_id = a.appointment_id"
        " where a.appointment_id = %s",
        answer.json()["id"],
    )
    assert found == [(True, True, "Dr. North", "booked", True, UUID(answer.json()["patient"]))]


@pytest.mark.parametrize("minutes", [-30, 0, 24 * 60 - 90, 24 * 60 - 60])
def test_a_booking_is_on_the_clinics_own_day_where_its_clocks_change(world: World, api: Api, minutes: int) -> None:
    # The next night in which Berlin's clocks go forward: of that day's midnights one is of winter, one of summer.
    year = (datetime.now(BERLIN) + timedelta(days=300)).year
    sunday = max(day for day in (datetime(year, 3, n, tzinfo=BERLIN) for n in range(25, 32)) if day.weekday() == 6)
    midnight = sunday.astimezone(UTC)
    starts = midnight + timedelta(minutes=minutes)
    with connect_admin(world.server) as admin:
        admin.execute("update operational.booking_setting set days_ahead = 700")
    booked = post(api, as_key(world), ask(starts_at=starts.isoformat(), patient=newcomer()))
    assert booked.status_code == 201, booked.text
    found = world.look("select starts_on from operational.appointment where appointment_id = %s", booked.json()["id"])
    days = {-30: -1, 0: 0, 24 * 60 - 90: 0, 24 * 60 - 60: 1}
    assert found == [(sunday.date() + timedelta(days=days[minutes]),)]


@pytest.mark.check(39)
def test_a_bookings_confirmation_carries_its_calendar(world: World, api: Api) -> None:
    whom = newcomer()
    booked = post(api, as_key(world), ask(starts_at=at(9.5), patient=whom)).json()
    with mail_server() as (mailman, transport):
        send(world, transport, times=3)
    mails = [message_from_bytes(content) for address, content in mailman.came if address == whom["email"]]
    (calendar,) = [part for mail in mails for part in mail.walk() if part.get_content_type() == "text/calendar"]
    content = calendar.get_payload(decode=True)
    assert isinstance(content, bytes)
    said = dict(line.split(":", 1) for line in content.decode().replace("\r\n ", "").splitlines())
    begins = datetime.fromisoformat(at(9.5))
    assert datetime.strptime(said["DTSTART"], "%Y%m%dT%H%M%S%z") == begins
    assert datetime.strptime(said["DTEND"], "%Y%m%dT%H%M%S%z") > begins
    assert (said["METHOD"], said["UID"], said["SEQUENCE"]) == ("REQUEST", f"{booked['id']}@cloister", "0")
    assert "Swift" not in content.decode()


@pytest.mark.check(39)
def test_the_same_booking_ten_times_is_one(world: World, api: Api) -> None:
    before, key = counts(world), str(uuid4())
    asked = ask(starts_at=at(10), patient=newcomer(source_id="ten"))
    answers = [post(api, as_key(world), asked, key=key) for _ in range(10)]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert added(world, before) == ONE_NEW | {"rooms": 0}


@pytest.mark.check(39)
def test_the_same_booking_ten_at_once_is_one(world: World, api: Api) -> None:
    before, key = counts(world), str(uuid4())
    asked = ask(starts_at=at(11), patient=newcomer())
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: post(api, as_key(world), asked, key=key), range(10)))
    assert [answer.status_code for answer in answers] == [201] * 10, [answer.text for answer in answers]
    assert len({answer.text for answer in answers}) == 1
    assert added(world, before) == ONE_NEW | {"rooms": 0, "sources": 0}


def test_a_key_with_another_booking_is_refused(world: World, api: Api) -> None:
    key = str(uuid4())
    assert post(api, as_key(world), ask(starts_at=at(12), patient=someone()), key=key).status_code == 201
    before = counts(world)
    answer = post(api, as_key(world), ask(starts_at=at(13), patient=someone()), key=key)
    assert (answer.status_code, errors(answer)) == (422, [("header.idempotency-key", "reused")])
    assert added(world, before) == dict.fromkeys(before, 0)


def test_a_key_is_the_principals_own(world: World, api: Api) -> None:
    key = str(uuid4())
    first = post(api, as_key(world), ask(starts_at=at(14), patient=someone()), key=key)
    other = post(api, sign_in(api, "staff.north"), ask(starts_at=at(15), patient=someone()), key=key)
    assert (first.status_code, other.status_code) == (201, 201)
    assert first.json()["id"] != other.json()["id"]


def test_a_refused_booking_leaves_nothing_and_its_key_is_free(world: World, api: Api) -> None:
    before, key = counts(world), str(uuid4())
    closed = post(api, as_key(world), ask(service="shut", patient=someone()), key=key)
    assert (closed.status_code, errors(closed)) == (409, [("body.service", "closed")])
    assert added(world, before) == dict.fromkeys(before, 0)
    assert post(api, as_key(world), ask(starts_at=at(16), patient=someone()), key=key).status_code == 201


@pytest.mark.parametrize(
    ("change", "status", "place", "rule"),
    [
        ({"service": "none"}, 422, "body.service", "unknown"),
        ({"service": ""}, 422, "body.service", "missing"),
        ({"specialist": "Dr. South"}, 422, "body.specialist", "not_offered"),
        ({"specialist": "Dr. North Junior"}, 422, "body.specialist", "not_offered"),
        ({"starts_at": "2024-02-29T09:00:00Z"}, 422, "body.starts_at", "past"),
        ({"starts_at": "2099-02-28T09:00:00Z"}, 422, "body.starts_at", "too_far_ahead"),
        ({"starts_at": "2027-02-29T09:00:00Z"}, 422, "body.starts_at", "datetime_from_date_parsing"),
        ({"starts_at": "2099-02-28T09:00:00"}, 422, "body.starts_at", "timezone_aware"),
        ({"starts_at": None}, 422, "body.starts_at", "missing"),
        ({"starts_at": "0001-01-01T00:00:00+14:00"}, 422, "body.starts_at", "greater_than_equal"),
        ({"starts_at": "9999-12-31T23:59:59-14:00"}, 422, "body.starts_at", "less_than"),
        ({"patient": {}}, 422, "body.patient.name", "missing"),
        ({"patient": None}, 422, "body.patient.name", "missing"),
        ({"patient": {"name": "Canary Swift"}}, 422, "body.patient.email", "missing"),
        ({"patient": {"name": "Canary", "email": "none"}}, 422, "body.patient.email", "not_valid"),
        ({"patient": {"name": "Canary", "phone": "12"}}, 422, "body.patient.phone", "not_valid"),
        ({"patient": {"name": "Ca\u202enary", "email": "a@b.c"}}, 422, "body.patient.name", "not_valid"),
        ({"dependent": "someone"}, 422, "body.dependent", "not_alone"),
        ({"patient": {"source_id": "never seen"}}, 422, "body.patient.name", "missing"),
        ({"patient": {"id": str(uuid4()), "name": "X"}}, 422, "body.patient.id", "not_alone"),
    ],
)  # fmt: skip
@pytest.mark.check(41)
def test_bad_input_is_refused_by_its_field(
    world: World, api: Api, change: dict[str, object], status: int, place: str, rule: str
) -> None:
    before = counts(world)
    answer = post(api, as_key(world), {**ask(starts_at=at(17), patient=someone()), **change})
    assert answer.status_code == status, answer.text
    assert errors(answer)[0] == (place, rule)
    assert added(world, before) == dict.fromkeys(before, 0)


@pytest.mark.check(41)
@pytest.mark.parametrize("key", [None, "", "x" * 201, "two words"])
def test_a_key_is_needed(world: World, api: Api, key: str | None) -> None:
    headers = as_key(world) if key is None else {**as_key(world), "Idempotency-Key": key}
    answer = api.post("/v1/clinics/north/bookings", json=ask(patient=someone()), headers=headers)
    assert (answer.status_code, errors(answer)[0][0]) == (422, "header.idempotency-key")


@pytest.mark.check(41)
def test_nul_and_huge_bodies_are_refused(world: World, api: Api) -> None:
    nul = post(api, as_key(world), ask(patient=someone(name="Canary\x00")))
    huge = post(api, as_key(world), ask(patient=someone(name="x" * 1_000_000)))
    assert (nul.status_code, huge.status_code) == (422, 413)


def test_a_source_finds_its_patient_again_and_nothing_else_does(world: World, api: Api) -> None:
    def book(hour: float, **patient: str) -> str:
        answer = post(api, as_key(world), ask(starts_at=at(hour), patient=patient))
        assert answer.status_code == 201, answer.text
        found: str = answer.json()["patient"]
        return found

    first = book(18, source_id="mine", name="Canary Swallow", email="swallow@example.org")
    assert book(19, source_id="mine") == first
    # Neither name nor contact, and not another id of the same source.
    assert book(20, name="Canary Swallow", email="swallow@example.org") != first
    assert book(21, source_id="other", name="Canary Swallow", email="swallow@example.org") != first
    # Another system of the same clinic has ids of its own, and so have others.
    staff = post(api, sign_in(api, "staff.north"), ask(starts_at=at(22), patient={"source_id": "mine"}))
    south = post(api, as_key(world, "south.bookings"), ask("south", patient={"source_id": "mine"}), "south")
    assert [errors(answer) for answer in (staff, south)] == [[("body.patient.name", "missing")]] * 2


def test_the_answer_never_tells_whether_somebody_was_known(world: World, api: Api) -> None:
    world.change("update operational.person set verified_at = now() where name = %s", WREN)
    answers = [
        post(api, as_key(world), ask(starts_at=at(hour), patient={"name": name, "email": "canary@example.org"}))
        for hour, name in ((24, WREN), (25, "Canary Unknown"))
    ]
    assert [sorted(answer.json()) for answer in answers] == [["id", "patient", "verification"]] * 2
    known = {str(patient) for patient in world.patients.values()}
    assert not known & {answer.json()["patient"] for answer in answers}


@pytest.mark.check(7)
def test_a_patient_of_another_clinic_is_not_there(world: World, api: Api) -> None:
    asked = [
        post(api, as_key(world), ask(starts_at=at(26), patient={"id": str(patient)}))
        for patient in (world.patients["south", HERON], uuid4())
    ]
    assert [answer.status_code for answer in asked] == [404, 404]
    assert asked[0].content == asked[1].content
    own = post(api, as_key(world), ask(starts_at=at(26), patient={"id": str(world.patients["north", WREN])}))
    assert own.json()["patient"] == str(world.patients["north", WREN])


@pytest.mark.check(9)
@pytest.mark.parametrize("name", ["north", "north.contact", "south.bookings", "north.profile"])
def test_a_key_without_bookings_books_nothing(world: World, api: Api, name: str) -> None:
    assert post(api, as_key(world, name), ask(patient=someone())).status_code == 404


def test_a_patient_books_for_themselves_at_a_clinic_new_to_them(world: World, api: Api) -> None:
    before = counts(world)
    answer = post(api, sign_in(api, "wren"), ask("south", starts_at=at(9)), "south")
    assert answer.status_code == 201, answer.text
    assert answer.json()["patient"] is None
    made = {"registrations": 1, "forms": 1, "appointments": 1, "history": 1, "requests": 1, "messages": 1}
    assert added(world, before) == dict.fromkeys(before, 0) | made
    (owner,) = world.look(
        "select r.person_id from operational.registration as r inner join operational.appointment as a"
        " on a.clinic_id = r.clinic_id and a.patient_id = r.patient_id where a.appointment_id = %s",
        answer.json()["id"],
    )
    assert owner == (world.people[WREN],)


@pytest.mark.check(33)
def test_a_guardian_books_for_a_dependent_and_for_nobody_else(world: World, api: Api) -> None:
    guardian = sign_in(api, "finch")
    answer = post(api, guardian, ask(starts_at=at(27), dependent=str(world.guardianship)))
    assert answer.status_code == 201, answer.text
    found = world.look(
        "select r.person_id, e.role from operational.registration as r"
        " inner join operational.appointment as a on a.clinic_id = r.clinic_id and a.patient_id = r.patient_id"
        " inner join operational.appointment_event as e on e.appointment_id = a.appointment_id"
        " where a.appointment_id = %s",
        answer.json()["id"],
    )
    assert found == [(world.people[CHICK], "guardian")]
    for login, dependent in (("finch", str(uuid4())), ("heron", str(world.guardianship)), ("finch", "none")):
        assert post(api, sign_in(api, login), ask(starts_at=at(28), dependent=dependent)).status_code == 404


@pytest.mark.check(34)
def test_a_deleted_registration_is_revived_by_a_booking_of_the_person(world: World, api: Api) -> None:
    patient = world.patients["north", FINCH]
    deleted(world, patient, "moved_away")
    gone = post(api, as_key(world), ask(starts_at=at(30), patient={"id": str(patient)}))
    assert gone.status_code == 404
    answer = post(api, sign_in(api, "finch"), ask(starts_at=at(30)))
    assert answer.status_code == 201, answer.text
    assert world.look("select deleted_at from operational.registration where patient_id = %s", patient) == [(None,)]


def test_a_deleted_registration_is_revived_by_its_source(world: World, api: Api) -> None:
    first = post(api, as_key(world), ask(starts_at=at(31), patient=someone(source_id="back"))).json()["patient"]
    deleted(world, first, "no_longer")
    contact = someone(source_id="back", email="elsewhere@example.org")
    again = post(api, as_key(world), ask(starts_at=at(32), patient=contact))
    assert again.json()["patient"] == first
    assert world.look("select deleted_at from operational.registration where patient_id = %s", first) == [(None,)]
    confirmed = "select address is null from operational.message where about_id = %s"
    assert world.look(confirmed, again.json()["id"]) == [(True,)], "nobody has proven that the address is theirs"


def deleted(world: World, patient: object, reason: str) -> None:
    """Mark a registration as deleted."""
    world.change(
        "update operational.registration set deleted_at = now(), deleted_by = gen_random_uuid(),"
        " delete_reason = %s where patient_id = %s",
        reason, patient,
    )  # fmt: skip


@pytest.mark.check(34)
@pytest.mark.parametrize("reason", ["mistake", "duplicate", "merged with another registration"])
def test_what_was_deleted_for_good_no_booking_revives(world: World, api: Api, reason: str) -> None:
    source, hour = str(uuid4()), 200 + len(reason)
    first = post(api, as_key(world), ask(starts_at=at(hour), patient=someone(source_id=source))).json()["patient"]
    wren = world.patients["north", WREN]
    for patient in (first, wren):
        deleted(world, patient, reason)
    for who, asked in ((as_key(world), {"patient": {"source_id": source}}), (sign_in(api, "wren"), {})):
        answer = post(api, who, ask(starts_at=at(hour + 0.5), **asked))
        assert (answer.status_code, errors(answer)) == (409, [("body.patient", "deleted")])
    gone = "select count(*) from operational.registration where patient_id = any(%s) and deleted_at is not null"
    assert world.look(gone, [UUID(first), wren]) == [(2,)]
    world.change("update operational.registration set deleted_at = null where patient_id = %s", wren)


@pytest.mark.check(34)
def test_a_person_who_is_deleted_is_not_booked_for(world: World, api: Api) -> None:
    source = str(uuid4())
    first = post(api, as_key(world), ask(starts_at=at(240), patient=someone(source_id=source))).json()["patient"]
    world.change(
        f"update operational.person set {DELETED} where person_id ="
        " (select person_id from operational.registration where patient_id = %s)", first,
    )  # fmt: skip
    for patient in ({"source_id": source}, {"id": first}):
        assert post(api, as_key(world), ask(starts_at=at(241), patient=patient)).status_code == 404


@pytest.mark.check(34)
def test_a_source_that_a_merge_moves_meanwhile_is_looked_up_again(world: World, api: Api) -> None:
    kept, other = (
        post(api, as_key(world), ask(starts_at=at(hour), patient=someone(source_id=f"moves {hour}"))).json()["patient"]
        for hour in (250, 251)
    )
    with connect_admin(world.server) as merging, ThreadPoolExecutor(1) as pool:
        merging.autocommit = False
        merging.execute("select from operational.registration where patient_id = %s for update", [other])
        asked = ask(starts_at=at(252), patient={"source_id": "moves 251"})
        booking = pool.submit(post, api, as_key(world), asked)
        _wait_until_it_waits(world, booking)
        merging.execute("update operational.patient_source set patient_id = %s where patient_id = %s", [kept, other])
        merging.execute(
            "update operational.registration set deleted_at = now(), deleted_by = gen_random_uuid(),"
            " delete_reason = 'merged with another registration'"
            " where patient_id = %s", [other],
        )  # fmt: skip
        merging.commit()
        answer = booking.result()
    assert (answer.status_code, answer.json().get("patient")) == (201, kept)


def test_a_specialist_who_stops_meanwhile_is_refused_and_nothing_is_booked(world: World, api: Api) -> None:
    before, key, asked = counts(world), str(uuid4()), ask(starts_at=at(260), patient=someone(source_id="stops"))
    active = "update operational.specialist set is_active = %s where name = 'Dr. North'"
    with connect_admin(world.server) as ending, ThreadPoolExecutor(1) as pool:
        ending.autocommit = False
        ending.execute(active, [False])
        booking = pool.submit(post, api, as_key(world), asked, key=key)
        _wait_until_it_waits(world, booking)
        ending.commit()
        answer = booking.result()
    world.change(active, True)
    assert (answer.status_code, errors(answer)) == (409, [("body.specialist", "not_offered")])
    assert added(world, before) == dict.fromkeys(before, 0)
    assert post(api, as_key(world), asked, key=key).status_code == 201


def _wait_until_it_waits(world: World, booking: Future[httpx.Response]) -> None:
    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    while world.look(waiting) == [(0,)] and not booking.done():
        sleep(0.02)


def test_nobody_is_booked_twice_at_a_time(world: World, api: Api) -> None:
    first = post(api, as_key(world), ask(starts_at=at(40), patient=someone(source_id="busy")))
    assert first.status_code == 201
    half = post(api, as_key(world), ask(starts_at=at(40.25), patient=someone()))
    assert (half.status_code, errors(half)) == (409, [("body.specialist", "double_booked")])
    assert post(api, as_key(world), ask(starts_at=at(40.5), patient=someone())).status_code == 201
    world.change("update operational.service set specialists = '{{Dr. North,Dr. North Junior}}' where service = 'visit'"
                 .replace("{{", "{").replace("}}", "}"))  # fmt: skip
    other = ask(specialist="Dr. North Junior", starts_at=at(40.25), patient={"source_id": "busy"})
    busy = post(api, as_key(world), other)
    assert (busy.status_code, errors(busy)) == (409, [("body.starts_at", "double_booked")])


@pytest.mark.check(39)
def test_one_source_with_ten_keys_at_once_is_one_patient(world: World, api: Api) -> None:
    before = counts(world)
    asked = [ask(starts_at=at(50 + hour), patient=someone(source_id="crowd")) for hour in range(10)]
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda body: post(api, as_key(world), body), asked))
    assert [answer.status_code for answer in answers] == [201] * 10, [answer.text for answer in answers]
    assert len({answer.json()["patient"] for answer in answers}) == 1
    found = added(world, before)
    assert (found["people"], found["registrations"], found["appointments"]) == (1, 1, 10)


@pytest.mark.check(39)
def test_two_hundred_bookings_at_once_book_nobody_twice(world: World, api: Api) -> None:
    """Over 50 people and 5 specialists. The first half ask for four specialists at a time that nobody else wants: they
    get one. Of the others five want the same specialist at each of four times: one gets it.
    """
    names = [f"Dr. Crowd {index}" for index in range(5)]
    world.change(
        "insert into operational.specialist (clinic_id, name, is_active) select %s, unnest(%s::text[]), true",
        world.clinic_ids["south"], names,
    )  # fmt: skip
    world.change(
        "insert into operational.service (clinic_id, service, name, modality, minutes, templates, specialists, is_open)"
        " values (%s, 'crowd', 'Crowd', 'video', 30, '{}', %s, true)",
        world.clinic_ids["south"], names,
    )  # fmt: skip

    def book(index: int) -> tuple[int, str]:
        person, turn = index % 50, index // 50
        hour = 100 + person / 2 if person < 25 else 120 + turn
        patient = someone(source_id=f"crowd {person}", email=f"crowd-{person}@example.org")
        asked = ask(service="crowd", specialist=names[(index + turn) % 5], starts_at=at(hour), patient=patient)
        answer = post(api, as_key(world, "south.bookings"), asked, "south")
        return answer.status_code, "" if answer.status_code == 201 else errors(answer)[0][0]

    before = counts(world)
    with ThreadPoolExecutor(16) as pool:
        ended = Counter(pool.map(book, range(200)))
    # Of the first half each person once, of the others each specialist once at each of four times.
    assert ended == {(201, ""): 25 + 20, (409, "body.starts_at"): 75, (409, "body.specialist"): 80}
    found = added(world, before)
    assert found["appointments"] == 45 == found["rooms"] == found["requests"]
    assert found["people"] == found["sources"] == found["registrations"] == found["verifications"] <= 45
    assert world.look(
        "select count(*) from operational.appointment as a inner join operational.appointment as b"
        " on b.clinic_id = a.clinic_id and b.appointment_id > a.appointment_id"
        " and (b.specialist = a.specialist or b.patient_id = a.patient_id) and b.starts_at < a.ends_at"
        " and a.starts_at < b.ends_at where a.service = 'crowd' and b.service = 'crowd'"
    ) == [(0,)]


def test_the_log_names_the_patient_and_nothing_of_them(world: World, api: Api) -> None:
    answer = post(api, as_key(world), ask(starts_at=at(60), patient=someone()))
    found = world.look(
        "select e.action, e.decision, e.patients from audit.access_event as e"
        " inner join audit.disclosure as d on d.event_id = e.event_id where d.patient_id = %s",
        answer.json()["patient"],
    )
    assert found == [("appointment.book", "permit", 1)]
    post(api, as_key(world), ask(service="none", patient=someone()))
    last = world.look("select action, decision from audit.access_event order by occurred_at desc limit 1")
    assert last == [("appointment.book", "deny")]


def test_services_are_told_to_who_may_book(world: World, api: Api) -> None:
    for who in (as_key(world), sign_in(api, "staff.north"), sign_in(api, "wren")):
        answer = api.get("/v1/clinics/north/services", headers=who)
        assert [found["service"] for found in answer.json()["services"]] == ["call", "shut", "visit"]
    assert api.get("/v1/clinics/south/services", headers=as_key(world)).status_code == 404
    assert api.get("/v1/clinics/none/services", headers=sign_in(api, "wren")).status_code == 404
