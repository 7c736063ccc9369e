"""Scores: a segment reads them; of numbers that are good each and too large together they are refused by place."""

from typing import Any

import pytest
from access_world import FINCH, HERON, WREN, Api, World
from browsing import Browsers

from tests.integration.live_twins import evaluate, load
from tests.integration.records import Family, today

ASKED = [{"id": name, "type": "number", "text": f"How many {name}?"} for name in "abc"]
SUMS = {"both": ["a", "b"], "last": ["b", "c"]}
SCORES = [{"id": name, "text": name, "sum_of": of} for name, of in SUMS.items()]
SUMMED: dict[str, Any] = {"title": "T", "questions": ASKED, "scores": SCORES}


@pytest.fixture(scope="module")
def family(world: World, api: Api) -> Family:
    found = Family(world, api, {})
    for clinic in ("north", "south"):
        found.done(f"manager.{clinic}", "POST", f"/clinics/{clinic}/templates/summed/versions", SUMMED)
    return found


@pytest.mark.check(41)
@pytest.mark.parametrize("ask", [("PUT", "answers"), ("POST", "complete")])
@pytest.mark.parametrize(
    ("answers", "place"),
    [
        ({"a": 9e14, "b": 2e14}, "body.answers.a"),
        ({"a": -(10**15) + 1, "b": -1}, "body.answers.a"),
        ({"b": 5e14, "c": 5e14}, "body.answers.b"),
        ({"a": 9.9e14, "b": 9e14, "c": 9.8e14}, "body.answers.a"),
    ],
)
def test_good_answers_with_a_sum_that_is_none_are_refused_by_the_largest_of_them(
    family: Family, ask: tuple[str, str], answers: dict[str, float], place: str
) -> None:
    form, (method, step) = family.assign(WREN, "summed"), ask
    refused = family.refused("wren", method, f"/me/forms/{form}/{step}", {"answers": answers})
    assert refused == (422, place, "sum_too_large")
    assert family.done("wren", "GET", f"/me/forms/{form}")["answers"] == {}


@pytest.mark.parametrize(
    ("answers", "results"),
    [
        ({"a": 9e14, "b": 9e13, "c": -9e14}, {"both": 9.9e14, "last": -8.1e14}),
        ({"a": 9e14, "c": 9e14}, {}),
        ({"a": 10**15 - 1, "b": 0}, {"both": 10**15 - 1}),
    ],
)
def test_what_can_be_kept_is_completed(family: Family, answers: dict[str, float], results: dict[str, float]) -> None:
    form = family.assign(WREN, "summed")
    assert family.done("wren", "POST", f"/me/forms/{form}/complete", {"answers": answers})["results"] == results


def test_a_segment_that_asks_for_a_sum_holds_who_reached_it_in_an_app(family: Family) -> None:
    """From the answers to the members; nobody of another clinic."""
    rule = {"slug": "many", "name": "Many", "rule": 'answers.latest(form="summed", question="both") >= 9'}
    answered = [("finch", FINCH, "north", 4), ("wren", WREN, "north", 3), ("heron", HERON, "south", 4)]
    for login, name, clinic, a in answered:
        form = family.assign(name, "summed", clinic)
        family.done(login, "POST", f"/me/forms/{form}/complete", {"answers": {"a": a, "b": 5}})
    for clinic, name in (("north", FINCH), ("south", HERON)):
        family.done(f"manager.{clinic}", "POST", f"/clinics/{clinic}/segments", rule)
        family.world.change(f"delete from clinic_{clinic}.segment_member")  # put there by hand, of no run
        load(family.world.server, clinic)
        evaluate(family.world.server, clinic, today())
        found = family.done(f"manager.{clinic}", "GET", f"/clinics/{clinic}/segments/many/members")["members"]
        assert [member["patient_id"] for member in found] == [str(family.world.patients[clinic, name])]


def test_the_page_says_so_beside_the_answer(family: Family, world: World, api: Api) -> None:
    at = f"/me/forms/{family.assign(WREN, 'summed')}"
    sent = {"do": "complete", "answer.a": "1", "answer.b": "900000000000000", "answer.c": "900000000000000"}
    page = Browsers(api).post("wren", at, at, 422, **sent).text
    assert page.count('class="fault"') == 1 and "one answer needs another look" in page
    before = page.split("This is too large a number to be added to other answers.")[0]
    assert before.rstrip().split("<label")[-1].count("How many b?")
