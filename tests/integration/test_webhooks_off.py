"""A webhook that is off, ended, one too many, or has a dead delivery sent again: what waits, and in which order."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from access_world import Api, World

from api.webhooks import repository
from api.webhooks.repository import MOST_WEBHOOKS
from api.work import Work
from tests.integration.hooking import Endpoint, add_webhook, enter, later, leave, newcomers, send, states, told_of_two

Headers = dict[str, str]
NORTH = "/v1/clinics/north/webhooks"


def state(api: Api, manager: Headers, webhook: str, name: str) -> Any:
    found = api.get(f"{NORTH}/{webhook}", headers=manager)
    assert found.status_code == 200
    return found.json()[name]


def test_what_changed_while_a_webhook_was_off_is_sent_in_order_once_it_is_on(
    world: World, api: Api, manager: Headers, to: Endpoint
) -> None:
    webhook, _ = add_webhook(api, manager, to.url)
    first, second = newcomers(world, "north", 2)
    enter(world, "north", "empty", [first])
    to.answers = [(500, {})]
    assert send(world, to) == 0
    assert api.post(f"{NORTH}/{webhook}/disable", headers=manager).status_code == 204
    enter(world, "north", "empty", [second])
    leave(world, "north", "empty", [first])
    later(world, webhook)
    assert send(world, to) == 0 and len(to.came) == 1
    assert api.post(f"{NORTH}/{webhook}/enable", headers=manager).status_code == 204
    assert state(api, manager, webhook, "disabled_by") is None
    assert send(world, to) == 3
    assert to.told()[1:] == [
        ("segment.entered", str(first)), ("segment.entered", str(second)), ("segment.left", str(first)),
    ]  # fmt: skip
    assert to.came[0].delivery == to.came[1].delivery


def test_of_a_webhook_that_was_ended_nothing_is_sent_and_nothing_names_anybody(
    world: World, api: Api, manager: Headers, to: Endpoint
) -> None:
    webhook, _ = add_webhook(api, manager, to.url)
    enter(world, "north", "empty", newcomers(world, "north", 1))
    to.answers = [(500, {})]
    send(world, to)
    assert api.delete(f"{NORTH}/{webhook}", headers=manager | {"If-Match": "*"}).status_code == 204
    later(world, webhook)
    assert send(world, to) == 0 and len(to.came) == 1
    assert [row[0] for row in states(world, webhook)] == ["void"]
    kept = "select count(patient_id) from operational.webhook_delivery where endpoint_id = %s"
    assert world.look(kept, webhook) == [(0,)]
    assert api.get(f"{NORTH}/{webhook}", headers=manager).status_code == 404


def test_a_dead_delivery_that_is_sent_again_comes_behind_what_waits(
    world: World, api: Api, manager: Headers, to: Endpoint
) -> None:
    webhook, first, second = told_of_two(world, api, manager, to)
    to.answers = [(500, {}), (500, {}), (500, {})]
    send(world, to)
    world.change(
        "update operational.webhook_delivery set first_tried_at = now() - interval '24 hours'"
        " where endpoint_id = %s and attempts > 0",
        webhook,
    )
    later(world, webhook)
    send(world, to)
    later(world, webhook)
    send(world, to)
    assert [row[0] for row in states(world, webhook)] == ["dead", "pending"]
    dead = to.came[0].delivery
    assert api.post(f"{NORTH}/{webhook}/deliveries/{dead}/redeliver", headers=manager).status_code == 202
    later(world, webhook)
    assert send(world, to) == 2
    assert [patient for _, patient in to.told()[-2:]] == [str(second), str(first)] and to.came[-1].delivery == dead


def test_of_many_who_add_one_at_once_no_more_are_added_than_there_may_be(
    world: World, api: Api, manager: Headers, to: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = repository.count

    async def looked_at_by_others_meanwhile(work: Work) -> int:
        found = await count(work)
        await asyncio.sleep(0.2)
        return found

    monkeypatch.setattr(repository, "count", looked_at_by_others_meanwhile)
    for _ in range(MOST_WEBHOOKS - 2):
        add_webhook(api, manager, to.url)

    def add(_: int) -> int:
        return api.post(NORTH, headers=manager, json={"url": to.url}).status_code

    with ThreadPoolExecutor(8) as crowd:
        assert sorted(crowd.map(add, range(8))) == [201] * 2 + [409] * 6
    assert len(api.get(NORTH, headers=manager).json()["webhooks"]) == MOST_WEBHOOKS
