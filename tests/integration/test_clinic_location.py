"""Where a clinic is: an admin says so, and what its time zone and its country decide is right from then on.

North is in Berlin and South in Sao Paulo. What happens to north leaves south as it is.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import access_world
import psycopg
import pytest
from access_world import CHICK, FINCH, Api, World
from booking import as_key, ask, newcomer, post
from operational_rows import Rows
from test_importing import MAPPING, PATIENTS

from infra.database import Server, clinic_transaction, connect, connect_admin, set_context
from infra.errors import InvalidInput
from infra.places import zones_to_choose
from infra.roles import ClinicKind, Login
from orchestration.clinics import clinic_days
from orchestration.importing.mapping import Mapping
from orchestration.live import worker
from orchestration.live.midnight import pass_midnight
from tests.integration.importing import bring as import_files
from tests.integration.live_twins import TWINS, bring, evaluate, load, noted, save
from tests.integration.test_sealer import wait_until
from tests.integration.waiting import until_somebody_waits

# In Berlin the 11th has begun; a zone farther west is in the 10th still.
LATE = datetime(2024, 6, 10, 22, 30, tzinfo=UTC)
WEST, EAST = "America/New_York", "Asia/Tokyo"
PATH = "/v1/clinics/{}/settings/location"
RULES = {
    "that-evening": "appointments.count(1d) > 0",
    "answered": 'answers.count(1d, form="pain", question="score") > 0',
}


def move(admin: psycopg.Connection, zone: str, clinic: str = "north") -> None:
    """As the API does it, at the clinic of the context."""
    with admin.transaction():
        admin.execute(
            "select set_config('cloister.clinic_id', clinic_id::text, true) from operational.clinic where slug = %s",
            [clinic],
        )
        admin.execute("update operational.clinic_location set time_zone = %s", [zone])


def days(rows: Rows, clinic: str) -> list[Any]:
    """What a mart says of days."""
    return [
        rows.raw(clinic, "raw_appointments", "appointment_id, starts_on, booked_on"),
        rows.raw(clinic, "raw_forms", "form_id, completed_on"),
        rows.raw(clinic, "raw_answers", "form_id, answered_on"),
    ]


def members(admin: psycopg.Connection, clinic: str) -> set[tuple[str, UUID]]:
    query = "select slug, patient_id from clinic_{0}.segment_member inner join clinic_{0}.segment using (segment_id)"
    return set(admin.execute(query.format(clinic) + " where left_at is null").fetchall())


@pytest.fixture
def late(server: Server, admin: psycopg.Connection) -> dict[str, UUID]:
    """A patient of each clinic with an appointment late in the evening, and a form answered then."""
    rows, found = Rows(admin), {}
    save(server, RULES)
    for clinic in TWINS:
        found[clinic] = patient = rows.patient(clinic)
        rows.form(clinic, patient, LATE)
        home = "operational.clinic as c where c.slug = %s"
        begin = f"(%s at time zone c.time_zone)::date from {home}"
        insert = (
            "insert into operational.appointment (clinic_id, patient_id, status, starts_at, booked_on, starts_on)"
            f" select c.clinic_id, %s, 'fulfilled', %s, {begin}"
        )
        both = insert.replace("::date from", "::date, (%s at time zone c.time_zone)::date from")
        admin.execute(both, [patient, LATE, LATE, LATE, clinic])
        # Whose day is another by its source, and whose moves in none of the zones.
        admin.execute(insert.replace("::date from", "::date, '2024-06-12' from"), [patient, LATE, LATE, clinic])
        noon = LATE - timedelta(hours=7)
        admin.execute(insert.replace("::date from", "::date, '2024-06-10' from"), [patient, noon, noon, clinic])
        rows.appointment(clinic, patient, date(2024, 1, 1))
        load(server, clinic)
        evaluate(server, clinic, date(2024, 6, 10))
    return found


@pytest.mark.parametrize("way", ["live", "batch"])
def test_what_lies_on_another_day_by_another_zone_is_brought_and_evaluated_anew(
    server: Server, admin: psycopg.Connection, late: dict[str, UUID], way: str
) -> None:
    rows, (north, south) = Rows(admin), late.values()
    # In Sao Paulo the evening is of the 10th, in Berlin the next day has begun.
    there = {("that-evening", south), ("answered", south)}
    assert members(admin, "south") == there
    assert members(admin, "north") == {("that-evening", north)}, "by the appointment at noon alone"
    before, untouched = days(rows, "north"), days(rows, "south")
    move(admin, WEST)
    waiting = admin.execute("select clinic_id, entity, patient_id from operational.outbox").fetchall()
    assert set(waiting) == {(rows.clinic_id("north"), entity, north) for entity in ("appointment", "form")}
    if way == "live":
        bring(server, "north", date(2024, 6, 10))
    else:
        assert load(server, "north") == 3
        evaluate(server, "north", date(2024, 6, 10))
    assert members(admin, "north") == {("that-evening", north), ("answered", north)}
    starts = [row[1:] for row in days(rows, "north")[0]]
    assert sorted(starts) == sorted([
        (date(2024, 6, 10), date(2024, 6, 10)), (date(2024, 6, 12), date(2024, 6, 11)),
        (date(2024, 6, 10), date(2024, 6, 10)), (date(2024, 1, 1), date(2024, 1, 1)),
    ])  # fmt: skip
    assert [row[1] for row in days(rows, "north")[1] + days(rows, "north")[2]] == [date(2024, 6, 10)] * 2
    assert days(rows, "south") == untouched and members(admin, "south") == there and noted(rows, "south") == []
    assert load(server, "north") == load(server, "south") == 0, "the other way has nothing left to do"
    move(admin, "Europe/Berlin")
    bring(server, "north", date(2024, 6, 10))
    moved_back = days(rows, "north")
    assert moved_back[1:] == before[1:] and [row[:2] for row in moved_back[0]] == [row[:2] for row in before[0]]


def test_a_form_that_has_expired_in_one_zone_is_open_in_another(server: Server, admin: psycopg.Connection) -> None:
    rows = Rows(admin)
    far_east, far_west = "Pacific/Kiritimati", "Pacific/Pago_Pago"  # more than a day apart: never in one day
    for clinic in TWINS:
        move(admin, far_east, clinic)
        form = rows.form(clinic, rows.patient(clinic))
        admin.execute(
            "update operational.form set expires_on = (now() at time zone %s)::date - 1 where form_id = %s",
            [far_east, form],
        )
        load(server, clinic)
        assert rows.raw(clinic, "raw_forms", "status") == [("expired",)]
    move(admin, far_west)
    bring(server, "north")
    assert rows.raw("north", "raw_forms", "status") == [("pending",)]
    assert rows.raw("south", "raw_forms", "status") == [("expired",)] and load(server, "south") == 0


def test_a_day_that_begins_while_a_clinic_moves_has_begun_by_the_former_clock(
    server: Server, admin: psycopg.Connection
) -> None:
    rows = Rows(admin)
    # By this clock it is four and a half minutes to midnight, far longer than what follows takes.
    ((seconds,),) = admin.execute("select floor(extract(epoch from now()))::integer % 86400").fetchall()
    ahead = 86400 - 270 - seconds
    former = f"<late>{'-' if ahead > 0 else '+'}{timedelta(seconds=abs(ahead))}"
    admin.execute("update operational.clinic set time_zone = %s where slug = 'north'", [former])
    ((day, clock),) = admin.execute("select n::date, n from (select now() at time zone %s as n)", [former]).fetchall()
    assert (clock.hour, clock.minute) in {(23, minute) for minute in range(55, 60)}
    form = rows.form("north", rows.patient("north"))
    admin.execute("update operational.form set expires_on = %s where form_id = %s", [day, form])
    admin.execute("delete from operational.outbox")
    move(admin, "Pacific/Pago_Pago")
    ((before,),) = admin.execute("select day_before_moving from operational.clinic where slug = 'north'").fetchall()
    assert before == day + timedelta(days=1)
    waiting = admin.execute("select entity from operational.outbox").fetchall()
    assert waiting == [("form",)], "it may have been brought as expired"


def day_of(admin: psycopg.Connection, clinic: str) -> date | None:
    ((day,),) = admin.execute(f"select as_of from clinic_{clinic}.segment_clock").fetchall()
    return day  # type: ignore[no-any-return]


def today(server: Server, clinic: str) -> date:
    (found,) = clinic_days(server, [clinic], None, datetime.now(UTC))
    return found.as_of


@contextmanager
def worker_running(server: Server) -> Iterator[None]:
    stopped = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(worker.run, server, stopped.is_set)
        try:
            yield
        finally:
            stopped.set()
            done.result(timeout=30)


def test_who_is_of_age_by_the_day_of_a_zone_is_so_again_by_that_of_another(
    server: Server, admin: psycopg.Connection
) -> None:
    rows, far_east, far_west = Rows(admin), "Pacific/Kiritimati", "Pacific/Pago_Pago"
    save(server, {"adult": "age >= 18"})
    born: dict[str, UUID] = {}
    for clinic in TWINS:
        move(admin, far_east, clinic)
        day = today(server, clinic)
        born[clinic] = rows.patient(clinic, birth_date=day.replace(year=day.year - 18, day=min(day.day, 28)))
        admin.execute(
            "update operational.profile set birth_date = (%s - interval '18 years')::date where person_id = %s",
            [day, rows.person_of(born[clinic])],
        )
        load(server, clinic)
        evaluate(server, clinic, day)
        bring(server, clinic, day)
        assert members(admin, clinic) == {("adult", born[clinic])}
    with worker_running(server):
        wait_until(lambda: day_of(admin, "north") == today(server, "north"))
        move(admin, far_west)
        wait_until(lambda: day_of(admin, "north") == today(server, "north") and members(admin, "north") == set())
        assert day_of(admin, "south") == today(server, "south") and members(admin, "south") == {
            ("adult", born["south"])
        }
        ((told,),) = admin.execute("select as_of from pipeline.member_day where clinic = 'north'").fetchall()
        assert told == today(server, "north"), "what pages say that members stand for"
        move(admin, far_east)
        wait_until(lambda: members(admin, "north") == {("adult", born["north"])})
    # A build that was made for a day ahead of all zones stays.
    ahead = datetime.now(UTC).date() + timedelta(days=9)
    admin.execute("update clinic_north.segment_clock set as_of = %s", [ahead])
    move(admin, far_west)
    assert begins(server, "north") is False and day_of(admin, "north") == ahead


def begins(server: Server, clinic: str) -> bool:
    with (
        connect(Login.PIPELINE, at=server) as connection,
        clinic_transaction(connection, server.roles, clinic, ClinicKind.BUILDER),
    ):
        return pass_midnight(connection, clinic, datetime.now(UTC)) is not None


@pytest.fixture(scope="module")
def admins(api: Api) -> dict[str, str]:
    return access_world.sign_in(api, "admin")


def where(world: World) -> dict[str, tuple[str, str]]:
    return {slug: (zone, country) for slug, zone, country in world.look(
        "select slug, time_zone, country from operational.clinic where slug in ('north', 'south')")}  # fmt: skip


def newest(world: World) -> tuple[Any, ...]:
    return world.look(
        "select action, decision, resource_id, role from audit.access_event order by occurred_at desc limit 1"
    )[0]


def test_an_admin_says_where_a_clinic_is_and_a_manager_may_not(
    world: World, api: Api, admins: dict[str, str], manager: dict[str, str]
) -> None:
    before = where(world)
    there = {"time_zone": EAST, "country": "SG"}
    assert api.put(PATH.format("north"), headers=admins, json=there).status_code == 204
    assert newest(world) == ("clinic_location.save", "permit", "north", "platform_admin")
    assert where(world) == {"north": (EAST, "SG"), "south": before["south"]}
    shown = api.get("/v1/clinics/north/settings", headers=manager).json()
    assert (shown["time_zone"], shown["country"]) == (EAST, "SG")
    for clinic in ("north", "south", "nowhere"):
        refused = api.put(PATH.format(clinic), headers=manager, json={"time_zone": WEST, "country": "US"})
        assert refused.status_code == 404 and newest(world)[:2] == ("clinic_location.save", "deny")
    assert where(world) == {"north": (EAST, "SG"), "south": before["south"]}
    assert (
        api.put(PATH.format("north"), headers=admins, json=dict(zip(there, before["north"], strict=True))).status_code
        == 204
    )


@pytest.mark.parametrize(
    ("wrong", "places"),
    [
        ({}, ["body.country", "body.time_zone"]),
        ({"time_zone": "Europe/Atlantis", "country": "DE"}, ["body.time_zone"]),
        ({"time_zone": "localtime", "country": "DE"}, ["body.time_zone"]),
        ({"time_zone": "europe/berlin", "country": "DE"}, ["body.time_zone"]),
        ({"time_zone": "Europe/Berlin", "country": "XX"}, ["body.country"]),
        ({"time_zone": "Europe/Berlin", "country": "de"}, ["body.country"]),
        ({"time_zone": "../../etc/passwd", "country": None}, ["body.country", "body.time_zone"]),
    ],
)
def test_a_place_that_is_none_is_refused_by_its_field_and_changes_nothing(
    world: World, api: Api, admins: dict[str, str], wrong: dict[str, Any], places: list[str]
) -> None:
    before = where(world)
    answer = api.put(PATH.format("north"), headers=admins, json=wrong)
    assert answer.status_code == 422 and sorted(fault["place"] for fault in answer.json()["errors"]) == places
    assert where(world) == before


def test_every_time_zone_that_the_page_offers_is_one_of_the_database_too(world: World) -> None:
    known = {name for (name,) in world.look("select name from pg_timezone_names")}
    assert len(zones_to_choose()) > 300 and set(zones_to_choose()) <= known


@pytest.mark.check(33)
def test_who_is_of_age_by_the_new_country_and_not_by_the_old_one_is_nobodys_dependent(fresh: World) -> None:
    fresh.register_chick()
    chick, whose = fresh.people[CHICK], f"/v1/me/dependents/{fresh.guardianship}"
    stands = "select state, expires_at from operational.consent where person_id = %s"
    with access_world.client(fresh.server) as api:
        admins, finch = access_world.sign_in(api, "admin"), access_world.sign_in(api, "finch")

        def put(clinic: str, country: str) -> None:
            zone = dict(fresh.look("select slug, time_zone from operational.clinic"))[clinic]
            said = api.put(PATH.format(clinic), headers=admins, json={"time_zone": zone, "country": country})
            assert said.status_code == 204

        def reaches() -> bool:
            return api.get(f"{whose}/profile", headers=finch).status_code == 200

        put("north", "SG")  # of age at 21
        nineteen = (datetime.now(UTC) - timedelta(days=19 * 365 + 30)).date()
        fresh.change("update operational.guardianship set starts_on = '2020-01-01'")
        fresh.change("update operational.profile set birth_date = %s where person_id = %s", nineteen, chick)
        fresh.consent("north", CHICK, signer_id=fresh.people[FINCH],
                      occurred_at=datetime.now(UTC) - timedelta(days=3 * 365))  # fmt: skip
        assert reaches()
        ((state, ends),) = fresh.look(stands, chick)
        assert state == "signed" and ends > datetime.now(UTC)
        put("south", "DE")  # which knows nothing of the child
        assert reaches() and fresh.look(stands, chick) == [(state, ends)]
        put("north", "DE")
        assert not reaches()
        ((state, ends),) = fresh.look(stands, chick)
        assert state == "signed" and ends < datetime.now(UTC), "90 days after the 18th birthday"
        patient = fresh.patients["north", CHICK]
        assert ("patient", patient) in fresh.look("select entity, patient_id from operational.outbox")
        put("north", "SG")
        assert not reaches(), "access that has ended stays ended"
        ((state, ends),) = fresh.look(stands, chick)
        assert ends > datetime.now(UTC), "the signature is of one who was a minor there"


def test_a_booking_and_a_change_of_the_zone_wait_for_each_other(fresh: World) -> None:
    evening = datetime.now(UTC).replace(hour=23, minute=30, second=0, microsecond=0) + timedelta(days=14)
    hold = "select operational.hold_days_alone(clinic_id) from operational.clinic where slug = 'north'"
    day = "select starts_on from operational.appointment where starts_at = %s"
    with access_world.client(fresh.server) as api, ThreadPoolExecutor(1) as pool:
        asked = ask(starts_at=evening.isoformat(), patient=newcomer())
        with connect_admin(fresh.server) as moving:
            with moving.transaction():
                moving.execute(hold)
                booking = pool.submit(post, api, as_key(fresh), asked)
                wait_until(lambda: bool(fresh.look("select from pg_locks where locktype = 'advisory' and not granted")))
                move(moving, WEST)
            assert booking.result(timeout=30).status_code == 201
        assert fresh.look(day, evening) == [(evening.date(),)], "the day in New York, which is not that in Berlin"
        # The other way round the appointment is there when the zone moves.
        with connect_admin(fresh.server) as booking_too, ThreadPoolExecutor(1) as others:
            with booking_too.transaction():
                booking_too.execute(hold.replace("_alone", ""))
                booking_too.execute(
                    "update operational.appointment set status = 'booked' where starts_at = %s", [evening]
                )
                admins = access_world.sign_in(api, "admin")
                place = {"time_zone": "Europe/Berlin", "country": "DE"}
                saving = others.submit(api.put, PATH.format("north"), headers=admins, json=place)
                wait_until(lambda: bool(fresh.look("select from pg_locks where locktype = 'advisory' and not granted")))
            assert saving.result(timeout=30).status_code == 204
        assert fresh.look(day, evening) == [(evening.date() + timedelta(days=1),)]


WAITS = "select from pg_locks where locktype = 'advisory' and not granted"


def pain_of(world: World, api: Api, name: str) -> str:
    """A form that somebody at north is to answer."""
    path = f"/v1/clinics/north/patients/{world.patients['north', name]}/forms"
    answer = api.post(path, headers=access_world.sign_in(api, "staff.north"), json={"templates": ["pain"]})
    (form,) = answer.json()["forms"]
    return str(form)


def test_the_completion_of_a_form_waits_for_a_change_of_the_zone(fresh: World) -> None:
    with access_world.client(fresh.server) as api, ThreadPoolExecutor(1) as pool:
        form, headers = pain_of(fresh, api, FINCH), access_world.sign_in(api, "finch")
        with connect_admin(fresh.server) as moving, moving.transaction():
            moving.execute("select operational.hold_days_alone(clinic_id) from operational.clinic where slug = 'north'")
            completing = pool.submit(
                api.post, f"/v1/me/forms/{form}/complete", headers=headers, json={"answers": {"score": 3}}
            )
            wait_until(lambda: bool(fresh.look(WAITS)))
            ((status,),) = moving.execute(
                "select status from operational.form where form_id = %s for update nowait", [form]
            ).fetchall()
            assert status == "pending", "the form is not held before the clinic's days are"
        assert completing.result(timeout=30).status_code == 200


def test_who_answers_somebody_does_not_wait_long_for_a_clinic_that_moves(fresh: World) -> None:
    with access_world.client(fresh.server) as api, connect_admin(fresh.server) as moving, moving.transaction():
        form, headers = pain_of(fresh, api, FINCH), access_world.sign_in(api, "finch")
        moving.execute("select operational.hold_days_alone(clinic_id) from operational.clinic where slug = 'north'")
        asked = ask(patient=newcomer())
        assert post(api, as_key(fresh), asked).status_code == 503
        done = api.post(f"/v1/me/forms/{form}/complete", headers=headers, json={"answers": {"score": 3}})
        assert done.status_code == 503
        with connect(Login.SERVICE, at=fresh.server) as service:
            service.execute("set statement_timeout = '60s'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                service.execute("select operational.hold_days_soon(%s)", [fresh.clinic_ids["north"]])


def test_a_consent_is_withdrawn_while_a_clinic_moves(fresh: World) -> None:
    with access_world.client(fresh.server) as api, ThreadPoolExecutor(1) as pool:
        admins, finch = access_world.sign_in(api, "admin"), access_world.sign_in(api, "finch")
        evening = "insert into operational.appointment (clinic_id, patient_id, status, starts_at, booked_on, starts_on)"
        fresh.change(
            f"{evening} values (%s, %s, 'fulfilled', %s, '2024-06-11', '2024-06-11')",
            fresh.clinic_ids["north"], fresh.patients["north", FINCH], LATE,
        )  # fmt: skip
        with connect_admin(fresh.server) as other:
            with other.transaction():
                # The move has begun, and comes no farther than this appointment.
                other.execute("select from operational.appointment where starts_at = %s for update", [LATE])
                place = {"time_zone": WEST, "country": "US"}
                saving = pool.submit(api.put, PATH.format("north"), headers=admins, json=place)
                until_somebody_waits(fresh, other.info.backend_pid)
                asked = {"clinic": "north", "purpose": "profile_sharing"}
                assert api.post("/v1/me/consents/revoke", headers=finch, json=asked).status_code == 201
                assert not saving.done()
            assert saving.result(timeout=30).status_code == 204
    assert where(fresh)["north"] == (WEST, "US")
    stands = "select state from operational.consent where clinic_id = %s and person_id = %s"
    assert fresh.look(stands, fresh.clinic_ids["north"], fresh.people[FINCH]) == [("revoked",)]


@pytest.mark.parametrize("zone", ["pst", "europe/berlin", "UTC+3", "Mars/Base"])
def test_the_service_writes_no_time_zone_that_is_none(fresh: World, zone: str) -> None:
    with connect(Login.SERVICE, at=fresh.server) as service:
        set_context(service, clinic_id=fresh.clinic_ids["north"])
        with pytest.raises(psycopg.errors.InvalidParameterValue), service.transaction():
            service.execute("update operational.clinic_location set time_zone = %s", [zone])
        with pytest.raises(psycopg.errors.InsufficientPrivilege), service.transaction():
            service.execute("update operational.clinic set time_zone = %s", [zone])
        # Another clinic's is not there.
        elsewhere = "update operational.clinic_location set time_zone = 'UTC' where clinic_id = %s"
        assert service.execute(elsewhere, [fresh.clinic_ids["south"]]).rowcount == 0


def test_a_clinic_in_no_time_zone_keeps_nobody_else_waiting(server: Server, admin: psycopg.Connection) -> None:
    rows = Rows(admin)
    save(server, {"any": "age >= 0"})
    for clinic in TWINS:
        patient = rows.patient(clinic)
        load(server, clinic)
        evaluate(server, clinic, today(server, clinic))
        rows.appointment(clinic, patient, date(2024, 1, 1))
    admin.execute("update operational.clinic set time_zone = 'europe/berlin' where slug = 'north'")
    with worker_running(server):
        south = "select from operational.outbox where clinic_id = %s"
        wait_until(lambda: not admin.execute(south, [rows.clinic_id("south")]).fetchall())
    assert admin.execute(south, [rows.clinic_id("north")]).fetchall(), "it waits for who says where the clinic is"
    found = clinic_days(server, None, None, datetime.now(UTC))
    assert {"north", "south"} & {clinic.slug for clinic in found} == {"south"}
    with pytest.raises(InvalidInput, match="'north' is in no time zone"):
        clinic_days(server, ["north"], None, datetime.now(UTC))
    assert clinic_days(server, ["south"], None, datetime.now(UTC))


def test_an_import_on_its_way_waits_for_a_change_of_the_zone(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    (tmp_path / "patients.csv").write_text(PATIENTS.format(canary="+493023125042"))
    instant = LATE.isoformat()
    (tmp_path / "times.csv").write_text(
        f"clinic,visit,patient,at\nnorth,t1,1,{instant}\nsouth,t2,3,{instant}\n"  # south: the evening of the 10th
    )
    fields = {"source_id": "patient", "record_id": "visit", "status": {"constant": "booked"}}
    times = {"booked_at": "at", "starts_at": "at"}
    file = {"match": "times.csv", "clinic": {"column": "clinic"},
            "entities": [{"entity": "appointment", "fields": {**fields, **times}}]}  # fmt: skip
    mapping = Mapping.model_validate({"source": "hospital", "people": "source", "files": [file]})
    import_files(server, MAPPING, tmp_path / "patients.csv")
    with connect_admin(server) as moving, ThreadPoolExecutor(1) as pool:
        with moving.transaction():
            moving.execute("select operational.hold_days_alone(clinic_id) from operational.clinic where slug = 'north'")
            importing = pool.submit(import_files, server, mapping, tmp_path / "times.csv")
            waits = "select from pg_locks where locktype = 'advisory' and not granted"
            wait_until(lambda: bool(admin.execute(waits).fetchall()))
            move(moving, WEST)
        (done,) = importing.result(timeout=30)
    assert done.refused == 0
    found = admin.execute("select source_id, booked_on, starts_on from operational.appointment order by 1").fetchall()
    tenth = date(2024, 6, 10)
    assert found == [("t1", tenth, tenth), ("t2", tenth, tenth)], "by Berlin's clock t1 was on the 11th"
    # What is read again, by whichever way, is unchanged.
    import_files(server, mapping, tmp_path / "times.csv")
    assert admin.execute("select distinct version from operational.appointment").fetchall() == [(1,)]
