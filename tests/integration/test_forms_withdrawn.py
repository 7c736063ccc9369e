"""What becomes of the forms of an appointment that is cancelled, and of those that another visit asks for as well."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import access_world
import pytest
from access_world import FINCH, WREN, World
from booking import as_key, ask, at, newcomer, post, sign_in
from test_appointments import past
from test_forms_assigned import ONCE, book_wren, offer, to_answer
from test_newcomers import by_page, over, release

from api.identity.booking_pages import open_page
from infra import migrations
from tests.integration.records import Family, days, today
from tests.integration.test_deletions import sources

VERSIONS = Path(migrations.__file__).parent / "platform" / "versions"
REASON, GONE = "the appointment was cancelled", "the appointment was deleted"


@pytest.fixture
def family(fresh: World) -> Iterator[Family]:
    offer(fresh, ["intake", "profile_sharing_consent", "pain"])
    with access_world.client(fresh.server) as api:
        yield Family(fresh, api, {})


def forms_of(world: World, appointment: str) -> list[tuple[Any, ...]]:
    return world.look(
        "select f.template, f.status, f.deleted_at is not null, p.login, f.delete_reason from operational.form as f"
        " left join operational.principal as p on p.principal_id = f.deleted_by where f.occasion = %s order by 1",
        appointment,
    )


def step(family: Family, appointment: str, name: str, body: dict[str, str] | None = None) -> Any:
    return family.done("staff.north", "POST", f"/clinics/north/appointments/{appointment}/{name}", body or {})


def counted(family: Family, day: str) -> int:
    """How many forms of Wren's the day's list says are to be answered."""
    listed = family.done("staff.north", "GET", f"/clinics/north/appointments?day={day}")["appointments"]
    (found,) = {visit["forms"]["pending"] for visit in listed if visit["name"] == WREN}
    return int(found)


def delete(family: Family, appointment: str) -> None:
    family.done("staff.north", "POST", f"/clinics/north/deletions/appointment/{appointment}", {"reason": "mistake"})


def undo(family: Family, appointment: str) -> None:
    family.done("admin", "POST", f"/clinics/north/deletions/appointment/{appointment}/undo")


def missing(family: Family, appointment: str) -> list[str]:
    brief = family.done("specialist.north", "GET", f"/clinics/north/appointments/{appointment}/brief")
    return sorted(form["template"] for form in brief["missing"])


@pytest.mark.check(34)
@pytest.mark.parametrize("who", ["staff.north", "wren"])
def test_unanswered_forms_go_with_their_appointment(family: Family, who: str) -> None:
    kept, other = book_wren(family, 9), book_wren(family, 10)
    before = missing(family, kept)
    pending = counted(family, at(9)[:10])
    own = "/me" if who == "wren" else "/clinics/north"
    family.done(who, "POST", f"{own}/appointments/{other}/cancel")
    assert forms_of(family.world, other) == [("pain", "pending", True, who, REASON)]
    before.remove("pain")
    assert missing(family, kept) == before and counted(family, at(9)[:10]) == pending - 1
    listed = [f for f in family.done("wren", "GET", "/me/forms")["forms"] if f["template"] == "pain"]
    assert len(listed) == 1
    assert forms_of(family.world, kept)[1][:3] == ("pain", "pending", False)


def test_no_segment_counts_them(family: Family) -> None:
    made = [post(family.api, as_key(family.world), ask(starts_at=at(h), patient=newcomer())).json() for h in (9, 10)]
    step(family, made[0]["id"], "cancel")
    loaded = ["raw_forms" in sources(family.world, "north", booked["patient"]) for booked in made]
    assert loaded == [False, True]


def test_what_somebody_began_or_answered_stays(family: Family) -> None:
    visit = book_wren(family, 9)
    ids = {f["template"]: f["id"] for f in family.done("wren", "GET", "/me/forms")["forms"]}
    family.done("wren", "PUT", f"/me/forms/{ids['intake']}/answers", {"answers": {"reason": "knee"}})
    family.done("wren", "POST", f"/me/forms/{ids['pain']}/complete", {"answers": {"score": 3}})
    step(family, visit, "cancel")
    assert [row[:3] for row in forms_of(family.world, visit)] == [
        ("intake", "in_progress", False), ("pain", "completed", False), ("profile_sharing_consent", "pending", True),
    ]  # fmt: skip


@pytest.mark.check(39)
def test_an_intake_that_another_visit_asks_for_as_well_becomes_that_ones(family: Family) -> None:
    visits = [book_wren(family, hours) for hours in (9, 10)]
    step(family, visits[0], "cancel")
    assert to_answer(family.world, family.world.patients["north", WREN]) == ONCE | {"pain": 1}
    assert {row[:3] for row in forms_of(family.world, visits[1])} == {
        (template, "pending", False) for template in ("intake", "pain", "profile_sharing_consent")
    }
    step(family, visits[1], "cancel")
    assert to_answer(family.world, family.world.patients["north", WREN]) == {}


def test_a_correction_brings_them_back_but_for_what_came_in_their_place(family: Family) -> None:
    wren, visit = family.world.patients["north", WREN], book_wren(family, 9)
    corrected = {"status": "booked", "reason": "entered_wrongly"}
    step(family, visit, "cancel")
    step(family, visit, "correct", corrected)
    assert to_answer(family.world, wren) == ONCE | {"pain": 1}
    step(family, visit, "cancel")
    book_wren(family, 10)
    step(family, visit, "correct", corrected)
    assert to_answer(family.world, wren) == ONCE | {"pain": 2}


@pytest.mark.check(1)
def test_another_clinics_forms_stay(family: Family) -> None:
    south = post(family.api, as_key(family.world, "south.bookings"),
                 ask("south", starts_at=at(9), patient={"id": str(family.world.patients["south", FINCH])}),
                 "south").json()["id"]  # fmt: skip
    north = post(family.api, sign_in(family.api, "finch"), ask(starts_at=at(11))).json()["id"]
    step(family, north, "cancel")
    assert {row[2] for row in forms_of(family.world, north)} == {True}
    assert {row[2] for row in forms_of(family.world, south)} == {False}


def test_what_nobody_proved_in_time_leaves_no_form_of_its_visit(family: Family) -> None:
    open_page(family.world.server, "north")
    by_page(family.api)
    ((visit,),) = family.world.look(
        "select appointment_id::text from operational.appointment where held_until is not null"
    )
    over(family.world)
    assert release(family.world) == 1
    assert {row[2:] for row in forms_of(family.world, visit)} == {(True, None, REASON)}


def test_an_appointment_that_comes_and_goes_has_one_form_of_a_template_in_the_end(family: Family) -> None:
    back = {"status": "booked", "reason": "entered_wrongly"}
    one = book_wren(family, 9)
    step(family, one, "cancel")
    other = book_wren(family, 10)
    step(family, one, "correct", back)
    step(family, other, "cancel")
    step(family, one, "cancel")
    step(family, one, "correct", back)
    standing = [row[0] for row in forms_of(family.world, one) if not row[2]]
    assert standing == sorted({row[0] for row in forms_of(family.world, one)}) and "intake" in standing


def test_a_form_that_becomes_a_hidden_visits_is_hidden(family: Family) -> None:
    one, other = book_wren(family, 9), book_wren(family, 10)
    family.done("wren", "POST", f"/me/appointments/{other}/confidential", {"confidential": True})
    step(family, one, "cancel")
    assert forms_of(family.world, other)[0][:3] == ("intake", "pending", False)
    query = "select bool_and(confidential) from operational.form where occasion = %s and deleted_at is null"
    assert family.world.look(query, other) == [(True,)]


@pytest.mark.check(34)
@pytest.mark.parametrize("stands", ["to come", "has begun", "arrived"])
def test_forms_go_with_an_appointment_that_is_deleted_and_come_back_with_it(family: Family, stands: str) -> None:
    visit = book_wren(family, 9)
    before = forms_of(family.world, visit)
    if stands != "to come":
        past(family.world, visit, minutes=5)
    if stands == "arrived":
        step(family, visit, "arrive")
    delete(family, visit)
    assert {row[2:] for row in forms_of(family.world, visit)} == {(True, "staff.north", GONE)}
    undo(family, visit)
    assert forms_of(family.world, visit) == before and before


def test_they_come_back_though_the_time_of_the_visit_is_over_by_then(family: Family) -> None:
    visit = book_wren(family, 9)
    before = forms_of(family.world, visit)
    delete(family, visit)
    past(family.world, visit, minutes=5)
    undo(family, visit)
    assert forms_of(family.world, visit) == before


@pytest.mark.check(34)
def test_each_undo_brings_back_what_its_own_act_withdrew(family: Family) -> None:
    wren, visit = family.world.patients["north", WREN], book_wren(family, 9)
    step(family, visit, "cancel")
    delete(family, visit)
    undo(family, visit)
    assert to_answer(family.world, wren) == {}
    step(family, visit, "correct", {"status": "booked", "reason": "entered_wrongly"})
    assert to_answer(family.world, wren) == ONCE | {"pain": 1}


@pytest.mark.check(34)
def test_an_intake_comes_back_though_it_became_a_visits_that_went_as_well(family: Family) -> None:
    one, other = book_wren(family, 9), book_wren(family, 10)
    before = forms_of(family.world, one)
    delete(family, one)
    delete(family, other)
    undo(family, one)
    assert forms_of(family.world, one) == before
    undo(family, other)
    assert to_answer(family.world, family.world.patients["north", WREN]) == ONCE | {"pain": 2}


def test_an_intake_comes_back_to_guardians_though_a_hidden_visit_has_one(family: Family) -> None:
    wren, one, other = family.world.patients["north", WREN], book_wren(family, 9), book_wren(family, 10)
    family.done("wren", "POST", f"/me/appointments/{other}/confidential", {"confidential": True})
    seen = to_answer(family.world, wren, hidden=False)
    delete(family, one)
    assert to_answer(family.world, wren, hidden=False) == {}
    undo(family, one)
    assert to_answer(family.world, wren, hidden=False) == seen
    assert seen == ONCE | {"pain": 1}


def test_what_another_replaced_no_later_undo_brings_back(family: Family) -> None:
    one = book_wren(family, 9)
    delete(family, one)
    book_wren(family, 10)
    undo(family, one)
    ids = {form["template"]: form["id"] for form in family.done("wren", "GET", "/me/forms")["forms"]}
    family.done("wren", "POST", f"/me/forms/{ids['intake']}/complete", {"answers": {"reason": "knee"}})
    delete(family, one)
    undo(family, one)
    assert to_answer(family.world, family.world.patients["north", WREN]) == {"pain": 2, "profile_sharing_consent": 1}


def test_one_that_ran_out_is_in_no_ones_place(family: Family) -> None:
    one = book_wren(family, 9)
    delete(family, one)
    other = book_wren(family, 10)
    ran_out = "update operational.form set due_on = %s, expires_on = %s where occasion = %s and template = 'intake'"
    family.world.change(ran_out, today() - days(2), today() - days(2), other)
    undo(family, one)
    assert ("intake", "pending", False) in [row[:3] for row in forms_of(family.world, one)]


def test_what_went_before_it_was_said_with_which_act_comes_back_as_well(family: Family) -> None:
    deleted, cancelled = book_wren(family, 9), book_wren(family, 10)
    delete(family, deleted)
    step(family, cancelled, "cancel")
    family.world.change("update operational.form set delete_reason = %s where delete_reason = %s", REASON, GONE)
    family.world.change((VERSIONS / "p0052_why_forms_went.sql").read_text(encoding="utf-8"))
    reasons = [{row[4] for row in forms_of(family.world, visit)} for visit in (deleted, cancelled)]
    assert reasons == [{GONE}, {REASON}]
    undo(family, deleted)
    assert {row[2] for row in forms_of(family.world, deleted)} == {False}
