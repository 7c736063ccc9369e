"""Couriers that are killed, beside each other, or cut off: nothing lost, no id changed, the order kept."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from access_world import Api, World

from api.webhooks import courier
from tests.integration.hooking import (
    Endpoint,
    Post,
    add_webhook,
    enter,
    newcomers,
    states,
    with_courier,
)

Headers = dict[str, str]


@pytest.mark.check(47)
def test_the_database_wakes_a_courier_and_a_lost_connection_loses_nothing(
    world: World, api: Api, manager: Headers, to: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would look by itself in an hour."""
    for name in ("IDLE_SECONDS", "ROUND_SECONDS"):
        monkeypatch.setattr(courier, name, 3600.0)
    add_webhook(api, manager, to.url)
    first, second, third = newcomers(world, "north", 3)

    def told() -> list[str]:
        """In order; what was not marked when its connection ended came twice."""
        return list(dict.fromkeys(patient for _, patient in to.told()))

    async def until(count: int) -> None:
        async with asyncio.timeout(60):
            while len(told()) < count:
                await asyncio.sleep(0.01)

    async def running(found: courier.Courier) -> None:
        task = asyncio.create_task(found.keep_sending())
        enter(world, "north", "empty", [first])
        await until(1)
        enter(world, "north", "empty", [second])
        world.change("select pg_notify('cloister_changes', 'north')")
        await until(2)
        enter(world, "north", "empty", [third])
        world.change(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and application_name = 'cloister-courier'"
        )
        await until(3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with_courier(world, to, running)
    assert told() == [str(first), str(second), str(third)]


COURIER = """
    import asyncio, json, sys
    from dataclasses import replace
    from pathlib import Path
    from api.webhooks import courier
    from infra.database import Server
    from infra.roles import RoleNames
    from infra.settings import Settings

    admin, prefix, secrets, networks, authority = json.loads(sys.argv[1])
    at = Server(admin, RoleNames(prefix), Path(secrets))
    chosen = Settings(webhook_private_networks=networks, webhook_ca_file=authority)
    courier.IDLE_SECONDS = 0.05
    asyncio.run(courier.run(at, chosen, once=False, attached=None))
"""


@pytest.mark.check(47)
def test_couriers_that_are_killed_lose_nothing_change_no_id_and_keep_the_order(
    world: World, api: Api, manager: Headers, to: Endpoint
) -> None:
    """Two beside each other, one of them killed over and over at whatever it is doing."""
    webhook, _ = add_webhook(api, manager, to.url)
    patients = newcomers(world, "north", 240)
    chosen = [world.server.admin, world.server.roles.prefix, str(world.server.secrets_folder)]
    argument = json.dumps([*chosen, str(to.settings().webhook_private_networks), str(to.authority)])
    command = [sys.executable, "-c", textwrap.dedent(COURIER), argument]
    kill_at = iter(range(15, 240, 15))
    running = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for _ in range(2)]
    next_kill, victim = next(kill_at), 0

    def killing(_: Post) -> None:
        nonlocal next_kill, victim
        if len({post.delivery for post in to.came}) >= next_kill:
            next_kill = next(kill_at, 10**9)
            os.kill(running[victim].pid, signal.SIGKILL)
            running[victim].wait()
            running[victim] = subprocess.Popen(command, stdin=subprocess.DEVNULL)
            victim = 1 - victim

    to.on_post = killing
    try:
        for start in range(0, len(patients), 12):
            enter(world, "north", "empty", patients[start : start + 12])
        deadline = time.monotonic() + 120
        unsent = "select count(*) from operational.webhook_delivery where endpoint_id = %s and state = 'delivered'"
        while world.look(unsent, webhook)[0][0] < len(patients) and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert {state for state, *_ in states(world, webhook)} == {"delivered"}
    ids: dict[str, str] = {}
    order: list[str] = []
    for post in to.came:
        patient = post.said["data"]["patient_id"]
        assert ids.setdefault(patient, post.delivery) == post.delivery
        if not order or order[-1] != patient:
            order.append(patient)
    assert len(set(ids.values())) == len(ids) == len(patients), "one id a change, each told"
    feed = world.look(
        "select m.patient_id::text from clinic_north.segment_member as m where m.patient_id = any(%s::uuid[])"
        " order by m.entered_run, m.patient_id",
        patients,
    )
    assert order == [row[0] for row in feed], "what was sent twice came twice at once"
    assert len(to.came) > len(patients), "nobody was killed between sending and marking: the test proves nothing"
