"""Webhooks that answer slowly hold up themselves; what a manager takes out of one is not sent any more."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest
from access_world import Api, World

from api.webhooks import courier, feed, sender
from api.webhooks.courier import AT_ONCE_FOR_A_CLINIC, Courier
from tests.integration.hooking import Endpoint, Headers, add_webhook, enter, leave, newcomers, send, states

WEBHOOKS = "/v1/clinics/north/webhooks"


def patch(api: Api, manager: Headers, webhook: str, **asked: Any) -> None:
    version = api.get(f"{WEBHOOKS}/{webhook}", headers=manager).headers["etag"]
    answer = api.patch(f"{WEBHOOKS}/{webhook}", headers={**manager, "If-Match": version}, json=asked)
    assert answer.status_code in (200, 204), answer.text


def test_a_turn_ends_after_some_seconds_and_the_next_one_goes_on(
    world: World, api: Api, manager: Headers, to: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook, _ = add_webhook(api, manager, to.url)
    patients = sorted(newcomers(world, "north", 3), key=lambda patient: patient.bytes)
    enter(world, "north", "empty", patients)
    monkeypatch.setattr(sender, "TURN_SECONDS", 0.0)
    turns: list[tuple[int, bool]] = []
    whole = sender.Sender.send

    async def counted(self: sender.Sender, endpoint: UUID) -> tuple[int, bool]:
        turns.append(await whole(self, endpoint))
        return turns[-1]

    monkeypatch.setattr(sender.Sender, "send", counted)
    assert send(world, to) == 3
    assert turns == [(1, True)] * 3 + [(0, False)]
    assert [patient for _, patient in to.told()] == [str(patient) for patient in patients]
    assert [state for state, *_ in states(world, webhook)] == ["delivered"] * 3


def test_a_clinic_has_so_many_places_and_others_find_one() -> None:
    """Without a database: what counts is who is sent to at once."""
    beside: Counter[str] = Counter()
    most: Counter[str] = Counter()
    clinic_of = {uuid4(): clinic for clinic in ("north", "south", "east") for _ in range(5)}

    class Slow:
        async def send(self, endpoint: UUID) -> tuple[int, bool]:
            clinic = clinic_of[endpoint]
            beside[clinic] += 1
            most[clinic] = max(most[clinic], beside[clinic])
            most["all"] = max(most["all"], beside.total())
            await asyncio.sleep(0.001)
            beside[clinic] -= 1
            return 1, False

    async def all_of_them() -> int:
        found = Courier(Slow(), None)  # type: ignore[arg-type]
        return sum(await asyncio.gather(*(found._send_turns(*each) for each in clinic_of.items())))

    assert asyncio.run(all_of_them()) == len(clinic_of)
    assert most == {"north": 2, "south": 2, "east": 2, "all": 6} and AT_ONCE_FOR_A_CLINIC == 2 < courier.AT_ONCE


def test_what_is_taken_out_of_a_webhook_is_not_sent_though_it_waited(
    world: World, api: Api, manager: Headers, to: Endpoint
) -> None:
    webhook, _ = add_webhook(api, manager, to.url)
    patients = newcomers(world, "north", 3)
    enter(world, "north", "empty", patients[:1])
    enter(world, "north", "everybody", patients[1:2])
    leave(world, "north", "everybody", patients[1:2])
    to.answers = [(500, {})]
    send(world, to)  # all of them wait behind the first
    assert [state for state, *_ in states(world, webhook)] == ["pending"] * 3
    patch(api, manager, webhook, segments=[str(world.segments["north", "everybody"])], kinds=["left"])
    assert [state for state, *_ in states(world, webhook)] == ["void", "void", "pending"]
    assert send(world, to) == 1 and to.told()[1:] == [("segment.left", str(patients[1]))]
    kept = "select count(*) from operational.webhook_delivery where endpoint_id = %s and patient_id is not null"
    assert world.look(kept, webhook) == [(0,)]


def test_what_is_taken_out_while_a_courier_looks_is_not_sent(
    world: World, api: Api, manager: Headers, to: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook, _ = add_webhook(api, manager, to.url)
    patients = newcomers(world, "north", 2)
    enter(world, "north", "empty", patients[:1])
    enter(world, "north", "everybody", patients[1:])
    looked = feed.ahead

    async def narrowed_meanwhile(*asked: Any) -> Any:
        found = await looked(*asked)
        monkeypatch.setattr(feed, "ahead", looked)
        await asyncio.to_thread(patch, api, manager, webhook, segments=[str(world.segments["north", "everybody"])])
        return found

    monkeypatch.setattr(feed, "ahead", narrowed_meanwhile)
    assert send(world, to) == 0, "what was found was for the webhook as it was"
    assert send(world, to) == 1 and to.told() == [("segment.entered", str(patients[1]))]


def test_a_delivery_says_which_run_brought_it(world: World, api: Api, manager: Headers, to: Endpoint) -> None:
    add_webhook(api, manager, to.url)
    for _ in range(2):
        enter(world, "north", "empty", newcomers(world, "north", 2))
    send(world, to)
    runs = [post.said["data"]["run"] for post in to.came]
    ((last,),) = world.look("select run from clinic_north.segment_clock")
    assert runs == [last - 1, last - 1, last, last]
