"""Every page, as everybody who gets it is answered, with markup in every text that people write: it is shown as text,
what is shown of a patient is an event's that names them, and while an admin acts as somebody each page says so.

The pages are the application's own, so that a new one is walked over by itself.
"""

import pytest
from access_world import CHICK, FINCH, Api, World
from furnishing import OF_CHICK, SHOWN, furnish, marked_up
from impersonating import account
from page_views import LOOKED_AT, View, views
from walking import logged

BANNER = "<strong>You are acting as finch</strong>"
# Pages on which whoever acts as the guardian sees a dependent's name alone, out of the guardian's list.
NAME_ALONE_UNDER = {OF_CHICK, f"{OF_CHICK}/family", f"{OF_CHICK}/family/others", f"{OF_CHICK}/book/{{clinic}}"}


@pytest.fixture(scope="module")
def seen(world: World, api: Api) -> list[View]:
    house = furnish(world, api)
    marked_up(world)
    return [view for view in views(house) if view.answer.status_code == 200]


def test_markup_in_whatever_people_write_is_text_on_every_page(seen: list[View]) -> None:
    # Below the frame, which says who is signed in on every page.
    shown = {view.path for view in seen if SHOWN in view.text.partition("<main")[2]}
    for view in seen:
        if view.is_page:
            assert "<script>alert" not in view.answer.text, (view.path, view.login)
            assert "&amp;lt;script" not in view.answer.text, f"escaped twice: {view.path}"
    assert len(shown) > 55, sorted({view.path for view in seen} - shown)


@pytest.mark.check(21)
def test_whoever_is_shown_a_patient_leaves_an_event_that_names_the_patient(world: World, seen: list[View]) -> None:
    events, disclosed = logged(world)
    told = {str(patient): str(patient) for (clinic, _), patient in world.patients.items() if clinic == "north"}
    told |= {name: str(patient) for (clinic, name), patient in world.patients.items() if clinic == "north"}
    named = set()
    for view in seen:
        shown = {patient for text, patient in told.items() if text in view.text}
        # The log's own ids are named by its rows already; people see themselves, and whom they care for.
        if shown and not view.is_own and not view.path.startswith("/audit"):
            assert shown <= disclosed.get(view.request, set()), (view.path, view.login)
            named.add(view.path)
        if shown:
            assert events.get(view.request), (view.path, view.login)
    assert named >= {address for address, _ in LOOKED_AT.values()} and len(named) > 12, named


@pytest.mark.check(21)
def test_each_page_of_a_persons_is_an_event_in_whose_name_it_is(world: World, seen: list[View]) -> None:
    """Of a dependent the dependent's; under an impersonation with that, the person and both logs."""
    permitted: dict[str, set[tuple[object, ...]]] = {}
    for request, *found in world.look(
        "select e.request_id::text, e.principal_id, e.acting_for, e.impersonation_id::text, i.event_id is not null"
        " from audit.access_event as e left join audit.impersonation_event as i on i.event_id = e.event_id"
        " where e.decision = 'permit'"
    ):
        permitted.setdefault(request, set()).add(tuple(found))
    people, chick, finch = set(), world.people[CHICK], world.people[FINCH]
    for view in seen:
        if not view.is_own:
            continue
        found, login = permitted[view.request], account(world, view.login)
        if view.login == "admin":
            dependents = chick if view.path.startswith(OF_CHICK) else finch
            assert (login, dependents, world.impersonation, True) in found or view.path in NAME_ALONE_UNDER, view.path
        else:
            whose = chick if view.path.startswith(OF_CHICK) else None
            assert (login, whose, None, False) in found, (view.path, view.login)
        people.add((view.path, view.login))
    of_chick = {path.removeprefix(OF_CHICK) for path, login in people if login == "finch" and OF_CHICK in path}
    assert {"/receipts/{event}", "/consents", "/consents/{clinic}/{purpose}"} <= of_chick
    assert sum(login == "admin" for _, login in people) >= 6 and len(of_chick) > 14


@pytest.mark.check(30)
def test_every_page_of_who_acts_as_somebody_says_so(seen: list[View]) -> None:
    # What is anybody's, signed in or not, knows nobody.
    anybodys = {view.path for view in seen if not view.login}
    asked = [view for view in seen if view.login == "admin" and view.is_page and view.path not in anybodys]
    assert [view.path for view in asked if BANNER not in view.text] == []
    assert sum(view.stands_under for view in asked) >= 4 and len(asked) > 20


def test_nobody_else_sees_a_banner(seen: list[View]) -> None:
    assert [view.path for view in seen if view.login != "admin" and "You are acting as" in view.text] == []
