"""What is marked confidential is nowhere where a guardian looks: not in lists, counts, single reads, or the log."""

from collections.abc import Callable

import access_world
import psycopg
import pytest
from access_world import CHICK, FINCH, Api, World
from exporting import export
from impersonating import act_as
from psycopg import sql

from api.forms import assigning_repository as assigning
from infra.database import connect, set_context
from infra.roles import Group, Login
from tests.integration.booking import as_key, ask, at, post
from tests.integration.records import NOT_THERE, Family, add_chick, days, today
from tests.integration.sealing import add_batch, seal_all

KINDS = ["forms", "plans", "appointments"]


@pytest.fixture(scope="module")
def family(world: World, api: Api) -> Family:
    add_chick(world)
    return Family(world, api, {})


def plan(family: Family) -> str:
    body = {"title": "Canary plan", "starts_on": str(today()), "ends_on": str(today() + days(5)),
            "exercises": [{"name": "Canary bridge"}]}  # fmt: skip
    path = f"/clinics/north/patients/{family.world.patients['north', CHICK]}/plans"
    return str(family.done("specialist.north", "POST", path, body)["id"])


def appointment(family: Family) -> str:
    found = family.world.look(
        "select appointment_id from operational.appointment where patient_id = %s",
        family.world.patients["north", CHICK],
    )
    return str(found[0][0])


ITEMS: dict[str, Callable[[Family], str]] = {
    "forms": lambda family: family.assign(CHICK, "pain"), "plans": plan, "appointments": appointment,
}  # fmt: skip
TABLES = {
    "forms": ["form", "form_answer", "form_sealed"],
    "plans": ["treatment_plan", "exercise", "exercise_done", "adherence"],
    "appointments": ["appointment"],
}


def seen(family: Family, name: str, kind: str) -> int:
    """How many rows of these tables the database shows of Chick's to a person's own family role."""
    with connect(Login.SERVICE, at=family.world.server) as connection:
        set_context(connection, person_id=family.world.people[name])
        role = sql.Identifier(family.world.server.roles.of(Group.FAMILY))
        connection.execute(sql.SQL("set local role {}").format(role))
        return sum(_count(connection, table, family) for table in TABLES[kind])


def _count(connection: psycopg.Connection, table: str, family: Family) -> int:
    forms = "form_id in (select form_id from operational.form where patient_id = %s)"
    where = forms if table == "form_sealed" else "patient_id = %s"
    query = f"select count(*) from operational.{table} where {where}"
    found = connection.execute(query, [family.world.patients["north", CHICK]]).fetchone()  # type: ignore[call-overload]
    return int(found[0])


@pytest.mark.check(52)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("who", ["specialist.north", "chick"])
def test_what_is_marked_is_gone_for_the_guardian_and_for_nobody_else(family: Family, kind: str, who: str) -> None:
    item = ITEMS[kind](family)
    if kind == "forms":
        family.done("chick", "POST", f"/me/forms/{item}/complete", {"answers": {"score": 3}})
    visible, own = seen(family, FINCH, kind), seen(family, CHICK, kind)
    path = f"/clinics/north/{kind}/{item}" if who != "chick" else f"/me/{kind}/{item}"
    family.done(who, "POST", f"{path}/confidential")
    assert seen(family, FINCH, kind) < visible and seen(family, CHICK, kind) == own
    if kind != "appointments":
        assert item not in family.ask("finch", "GET", f"{family.of_chick}/{kind}").text
        assert item in family.ask("chick", "GET", f"/me/{kind}").text
    family.done(who, "POST", f"{path}/confidential", {"confidential": False})
    assert seen(family, FINCH, kind) == visible


@pytest.mark.check(52)
def test_a_guardian_neither_reads_nor_answers_nor_marks_it(family: Family) -> None:
    form, of_plan = family.assign(CHICK, "pain"), plan(family)
    exercise = family.done("chick", "GET", "/me/plans")["plans"]
    exercise = next(p for p in exercise if p["id"] == of_plan)["exercises"][0]["id"]
    family.done("chick", "POST", f"/me/forms/{form}/confidential")
    family.done("specialist.north", "POST", f"/clinics/north/plans/{of_plan}/confidential")
    body = {"answers": {"score": 1}}
    for method, path, sent in (
        ("GET", f"{family.of_chick}/forms/{form}", None),
        ("PUT", f"{family.of_chick}/forms/{form}/answers", body),
        ("POST", f"{family.of_chick}/forms/{form}/complete", body),
        ("PUT", f"{family.of_chick}/plans/{of_plan}/exercises/{exercise}/days/{today()}", {"times": 1}),
        ("POST", f"/me/forms/{form}/confidential", {"confidential": False}),
        ("POST", f"/me/plans/{of_plan}/confidential", {"confidential": False}),
        ("POST", f"/clinics/north/forms/{form}/confidential", {"confidential": False}),
    ):
        assert family.ask("finch", method, path, sent).json() == NOT_THERE, path
    assert family.done("chick", "PUT", f"/me/forms/{form}/answers", body)["status"] == "in_progress"


@pytest.mark.check(52)
def test_the_log_tells_the_patient_and_no_guardian(family: Family) -> None:
    """Marking, reading what is marked, and assigning what is confidential from the start leave guardians no trace."""
    form = family.assign(CHICK, "pain")
    family.done("chick", "POST", f"/me/forms/{form}/complete", {"answers": {"score": 3}})
    before = actions(family, "finch", family.of_chick)
    family.done("specialist.north", "POST", f"/clinics/north/forms/{form}/confidential")
    family.done("specialist.north", "GET", f"/clinics/north/forms/{form}")
    family.done("specialist.north", "POST", f"/clinics/north/forms/{form}/confidential", {"confidential": False})
    template = {"title": "T", "confidential": True, "questions": [{"id": "q", "type": "text", "text": "Q"}]}
    family.done("manager.north", "POST", "/clinics/north/templates/hidden/versions", template)
    path = f"/clinics/north/patients/{family.world.patients['north', CHICK]}/forms"
    (hidden,) = family.done("staff.north", "POST", path, {"templates": ["hidden"]})["forms"]
    assert actions(family, "finch", family.of_chick) == before
    assert hidden not in family.ask("finch", "GET", f"{family.of_chick}/forms").text
    assert actions(family, "chick", "/me")[:4] == ["form.assign", "record.hide", "record.read", "record.hide"]
    family.done("specialist.north", "GET", f"/clinics/north/forms/{form}")
    assert actions(family, "finch", family.of_chick) == ["record.read", *before]


@pytest.mark.check(30)
@pytest.mark.parametrize("as_whom", ["chick", "finch"])
def test_the_log_tells_nobody_who_acts_as_them_what_is_confidential(family: Family, as_whom: str) -> None:
    form = family.assign(CHICK, "pain")
    family.done("chick", "POST", f"/me/forms/{form}/complete", {"answers": {"score": 3}})
    family.done("specialist.north", "POST", f"/clinics/north/forms/{form}/confidential")
    family.done("specialist.north", "GET", f"/clinics/north/forms/{form}")
    owner = "/me" if as_whom == "chick" else family.of_chick
    headers = act_as(family.api, as_whom)[1]
    log = family.api.get(f"/v1{owner}/access-log", headers=headers)
    assert log.status_code == 200
    shown = [line for line in log.json()["accesses"] if "confidential" in line["categories"]]
    assert shown == [] and log.json()["accesses"]
    page = family.api.get("/v1/me/access-log", headers=access_world.sign_in(family.api, "chick")).json()
    assert any("confidential" in line["categories"] for line in page["accesses"])


def hidden_events(family: Family, log_of: str) -> int:
    """How many events of what is hidden the database shows Finch of a log: their own, or a guardianship's."""
    with connect(Login.SERVICE, at=family.world.server) as connection:
        set_context(connection, person_id=family.world.people[FINCH])
        connection.execute("select set_config('cloister.log_of', %s, true)", [log_of])
        role = sql.Identifier(family.world.server.roles.of(Group.FAMILY))
        connection.execute(sql.SQL("set local role {}").format(role))
        query = "select count(*) from audit.access_event where 'confidential' = any (categories)"
        found = connection.execute(query).fetchone()
        return int(found[0]) if found else 0


@pytest.mark.check(52)
def test_of_one_event_that_names_both_the_dependents_log_tells_a_guardian_nothing(family: Family) -> None:
    """Both have a hidden appointment that day, and the front desk's list is one event of what is hidden."""
    world = family.world
    for name in (FINCH, CHICK):
        world.change(
            "insert into operational.appointment (clinic_id, patient_id, booked_on, starts_on, specialist, status,"
            " confidential) values (%s, %s, '2026-01-01', '2026-01-05', 'Dr. North', 'booked', true)",
            world.clinic_ids["north"], world.patients["north", name],
        )  # fmt: skip
    before = actions(family, "finch", family.of_chick)
    family.done("staff.north", "GET", "/clinics/north/appointments?day=2026-01-05")
    assert actions(family, "finch", "/me")[0] == actions(family, "chick", "/me")[0] == "appointment.list"
    assert actions(family, "finch", family.of_chick) == before
    assert (hidden_events(family, "own"), hidden_events(family, str(world.guardianship))) == (1, 0)
    theirs, own = export(family.api, "finch", "north", world.guardianship), export(family.api, "finch", "north")
    told = ["confidential" in line["categories"] for line in [*theirs.log[1:], *own.log[1:2]]]
    assert told == [*[False] * len(theirs.log[1:]), True]


@pytest.mark.check(52)
def test_the_pipeline_tells_no_guardian_what_it_moved(family: Family) -> None:
    """Its lines name no item: a hidden one may be all that was moved that day."""
    world = family.world
    batch = add_batch(world.server, world.clinic_ids["north"], "appointments", [world.patients["north", CHICK]])
    seal_all(world.server)
    assert "pipeline.ingest" in actions(family, "chick", "/me")
    assert "pipeline.ingest" not in actions(family, "finch", family.of_chick)
    assert family.done("chick", "GET", f"/me/access-log/{batch}/proof")["stream"] == "access"
    assert family.ask("finch", "GET", f"{family.of_chick}/access-log/{batch}/proof").json() == NOT_THERE


def booked(family: Family, hour: float) -> str:
    patient = {"id": str(family.world.patients["north", CHICK])}
    answer = post(family.api, as_key(family.world), ask(patient=patient, starts_at=at(hour)))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.mark.check(52)
def test_what_is_still_to_be_said_of_it_is_for_no_guardian(family: Family) -> None:
    """Messages that wait are confidential with it, and copies that were passed on already are not sent."""
    item = booked(family, 6)
    family.world.change(
        "insert into operational.message (message_id, kind, clinic_id, patient_id, person_id, about_id, copied_from,"
        " content) select gen_random_uuid(), kind, clinic_id, patient_id, %s, about_id, message_id, content"
        " from operational.message where about_id = %s",
        family.world.people[FINCH], item,
    )  # fmt: skip
    waiting = (
        "select state, confidential, content is null from operational.message where about_id = %s"
        " order by copied_from nulls first"
    )
    assert family.world.look(waiting, item) == [("pending", False, False)] * 2
    family.done("specialist.north", "POST", f"/clinics/north/appointments/{item}/confidential")
    assert family.world.look(waiting, item) == [("pending", True, False), ("unreachable", False, True)]
    family.done("chick", "POST", f"/me/appointments/{item}/confidential", {"confidential": False})
    assert family.world.look(waiting, item) == [("pending", False, False), ("unreachable", False, True)]


@pytest.mark.check(52)
def test_the_log_tells_no_guardian_what_becomes_of_a_hidden_appointment(family: Family) -> None:
    item = booked(family, 55)
    family.done("specialist.north", "POST", f"/clinics/north/appointments/{item}/confidential")
    before = actions(family, "finch", family.of_chick)
    of_item, day = f"/clinics/north/appointments/{item}", at(56)[:10]
    for who, method, path, body in (
        ("staff.north", "POST", f"{of_item}/reminders", None),
        ("staff.north", "POST", f"{of_item}/reschedule", {"starts_at": at(56)}),
        ("staff.north", "GET", f"/clinics/north/appointments?day={day}", None),
        ("specialist.north", "GET", f"/clinics/north/appointments?day={day}", None),
        ("staff.north", "POST", f"{of_item}/cancel", {}),
        ("staff.north", "POST", f"/clinics/north/deletions/appointment/{item}", {"reason": "mistake"}),
        ("admin", "POST", f"/clinics/north/deletions/appointment/{item}/undo", None),
    ):
        family.done(who, method, path, body)
    assert actions(family, "finch", family.of_chick) == before
    assert actions(family, "chick", "/me")[:7] == [
        "record.restore", "record.delete", "appointment.change", "agenda.read", "appointment.list",
        "appointment.change", "reminder.send",
    ]  # fmt: skip
    open_one = booked(family, 56.5)
    family.done("staff.north", "GET", f"/clinics/north/appointments?day={day}")
    assert actions(family, "finch", family.of_chick) == ["appointment.list", "appointment.book", *before], open_one


@pytest.mark.check(52)
def test_an_appointments_forms_are_hidden_with_it_and_so_are_later_ones(family: Family) -> None:
    item = booked(family, 5)
    forms = "select form_id::text, confidential from operational.form where occasion = %s order by 2, 1"
    early = [form for form, hidden in family.world.look(forms, item) if not hidden]
    assert early and all(form in family.ask("finch", "GET", f"{family.of_chick}/forms").text for form in early)
    family.done("chick", "POST", f"/me/appointments/{item}/confidential")
    assert all(hidden for _, hidden in family.world.look(forms, item))
    assert not any(form in family.ask("finch", "GET", f"{family.of_chick}/forms").text for form in early)
    family.world.change("update operational.form set occasion = null where occasion = %s", item)
    with connect(Login.SERVICE, at=family.world.server) as connection:
        set_context(connection, clinic_id=family.world.clinic_ids["north"])
        patient = family.world.patients["north", CHICK]
        for occasion in (item, "another"):
            connection.execute(assigning._BOOKED, assigning._assigned(patient, {occasion: ["pain"]}, today()))
    assert [hidden for _, hidden in family.world.look(forms, item)] == [True]
    assert [hidden for _, hidden in family.world.look(forms, "another")] == [False]


@pytest.mark.check(52)
def test_a_guardian_finds_no_hidden_appointment_by_booking(family: Family) -> None:
    family.world.change("update operational.service set specialists = array['Dr. North', 'Dr. North Junior']")
    item = booked(family, 4)
    family.done("chick", "POST", f"/me/appointments/{item}/confidential")
    asked = ask(dependent=str(family.world.guardianship), specialist="Dr. North Junior", starts_at=at(4))
    family.ask("finch", "GET", "/me/dependents")
    answer = post(family.api, family.headers["finch"], asked)
    assert answer.status_code == 201, answer.text
    shown = family.refused("chick", "POST", f"/me/appointments/{item}/confidential", {"confidential": False})
    assert shown == (409, "body.confidential", "double_booked")
    again = post(family.api, family.headers["finch"], {**asked, "starts_at": at(4), "specialist": "Dr. North"})
    assert [error["place"] for error in again.json()["errors"]] == ["body.specialist"]


def actions(family: Family, login: str, path: str) -> list[str]:
    """What the clinic did, as a person sees it in the log."""
    accesses = family.done(login, "GET", f"{path}/access-log")["accesses"]
    return [access["action"] for access in accesses if access["clinic"]]


@pytest.mark.check(7)
def test_nobody_marks_what_is_another_clinics_or_anothers(family: Family) -> None:
    form = family.assign(CHICK, "pain")
    south = family.assign(FINCH, "pain", clinic="south")
    for login, path in (
        ("other.north", f"/clinics/north/forms/{form}"), ("staff.north", f"/clinics/north/forms/{form}"),
        ("specialist.south", f"/clinics/south/forms/{form}"), ("specialist.north", f"/clinics/north/forms/{south}"),
        ("wren", f"/me/forms/{form}"), ("wren", "/me/forms/no-id"), ("specialist.north", "/clinics/north/plans/no-id"),
    ):  # fmt: skip
        assert family.ask(login, "POST", f"{path}/confidential").json() == NOT_THERE, (login, path)
    assert family.world.look("select confidential from operational.form where form_id = any(%s)", [form, south]) == [
        (False,), (False,),
    ]  # fmt: skip
