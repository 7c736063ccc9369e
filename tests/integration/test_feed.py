"""A feed that is followed: it waits without holding anything, has a retention, and keeps a pulled copy in step."""

import asyncio
import json
import random
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from access_world import FINCH, WREN, Api, World
from pulling import CHANGES, CSV, NDJSON, Headers, key, move, newcomer, pulled, recorded, rows

from api.database import CONNECTIONS, make_pool
from api.directory import Directory
from api.segments import signals
from api.segments.signals import Signals
from infra.database import connect_admin
from infra.settings import settings
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "samples" / "client"))
from cloister_client import Archived, Cloister, Void
from follow_segment import Copy


@pytest.fixture(scope="module")
def patients(world: World) -> list[UUID]:
    """Six of north, of whom two are in its segment since the first run."""
    world.change("update clinic_north.segment_clock set run = 1, at = '2026-01-01'")
    others = [newcomer(world, f"Canary Crane {number}") for number in range(4)]
    return [*(world.patients["north", name] for name in (FINCH, WREN)), *others]


@pytest.fixture(scope="module")
def robot(world: World, patients: list[UUID]) -> Headers:
    return key(world, "north")


def asked(api: Api, headers: Headers, **query: Any) -> httpx.Response:
    return httpx.get(f"{api.base_url}{CHANGES.format('everybody')}", headers=headers, params=query, timeout=60)


def end(api: Api, headers: Headers) -> str:
    """The cursor behind all that the feed tells now."""
    cursor: str = pulled(api, headers).headers["cloister-feed-cursor"]
    return cursor


@pytest.mark.check(21)
def test_a_wait_ends_with_what_changed_and_is_one_event(world: World, api: Api, robot: Headers) -> None:
    start = asked(api, robot, wait=30)  # there is something already
    assert len(start.json()["changes"]) == 2 and len(recorded(world, start)) == 1
    nothing = asked(api, robot, after=end(api, robot), wait=1)
    assert nothing.json()["changes"] == [] and recorded(world, nothing) == [("permit", 0, [])]
    assert asked(api, robot, after=nothing.json()["next"]).json()["changes"] == []


def test_who_waits_holds_no_connection_and_hears_of_a_change(
    world: World, api: Api, robot: Headers, patients: list[UUID]
) -> None:
    cursor, waiting = end(api, robot), api.app.state.services.signals._waiting
    api.app.state.services.waits._most = CONNECTIONS + 8
    with ThreadPoolExecutor(CONNECTIONS + 8) as pool:
        asking = [pool.submit(asked, api, robot, after=cursor, wait=30) for _ in range(CONNECTIONS + 8)]
        while len(waiting.get("north", ())) < len(asking):
            assert api.get("/healthz").status_code == 200
        # As many are waiting as could never wait with a connection each.
        assert pulled(api, robot).status_code == 200
        move(world, enter=[patients[2]])
        answers = [one.result() for one in asking]
    for answer in answers:
        (change,) = answer.json()["changes"]
        assert (change["kind"], change["patient_id"]) == ("entered", str(patients[2]))
        assert recorded(world, answer) == [("permit", 1, [patients[2]])]
    move(world, leave=[patients[2]])


@pytest.mark.parametrize("lost", [False, True], ids=["told", "word was lost"])
def test_a_signal_is_given_by_word_and_by_the_clock(
    world: World, patients: list[UUID], monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    monkeypatch.setattr(signals, "LOOK_SECONDS", 0.05 if lost else 3600)
    query = "update clinic_north.segment_clock set run = run + 1" if lost else "notify cloister_changes, 'north'"

    async def heard() -> tuple[bool, bool, bool]:
        pool = make_pool(world.server, timeout_ms=5_000)
        async with pool:
            found = Signals(world.server, Directory(pool))
            with found.of("north") as north, found.of("south") as south:
                listening = asyncio.create_task(found.keep_listening())
                first = await north.wait(30)  # the first look, by then it listens
                await south.wait(30)
                world.change(query)
                told = await north.wait(30)
                others = await south.wait(0)
                listening.cancel()
        return first, told, others

    assert asyncio.run(heard()) == (True, True, False)


def test_a_look_at_a_clock_that_hangs_ends_and_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOISTER_STATEMENT_TIMEOUT_MS", "200")
    monkeypatch.setattr(signals, "AGAIN_SECONDS", 0.01)
    settings.cache_clear()

    async def heard() -> bool:
        pool, ended = make_pool(world.server, timeout_ms=5_000), asyncio.Event()
        monkeypatch.setattr(signals.log, "warning", lambda *_, **__: ended.set())
        async with pool:
            found = Signals(world.server, Directory(pool))
            with found.of("north") as north, connect_admin(world.server) as admin:
                with admin.transaction():
                    admin.execute("lock table clinic_north.segment_clock in access exclusive mode")
                    listening = asyncio.create_task(found.keep_listening())
                    await asyncio.wait_for(ended.wait(), 30)
                told = await north.wait(30)
                listening.cancel()
        return told

    assert asyncio.run(heard())


def test_past_its_retention_a_feed_says_how_to_go_on(
    world: World, api: Api, robot: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOISTER_FEED_RETENTION_DAYS", "30")
    settings.cache_clear()
    gone = asked(api, robot)  # the first entries are of January
    assert (gone.status_code, gone.json()["type"]) == (410, "urn:cloister:problem:gone")
    (error,) = gone.json()["errors"]
    assert error["place"] == "query.after" and "Cloister-Feed-Cursor" in error["detail"]
    assert [decision for decision, *_ in recorded(world, gone)] == ["deny"]
    assert asked(api, robot, after=end(api, robot)).status_code == 200


@pytest.mark.check(49)
def test_a_pulled_copy_that_follows_the_feed_is_the_segment(
    world: World, api: Api, robot: Headers, patients: list[UUID]
) -> None:
    chosen = random.Random(7)
    copies: list[tuple[str, set[str]]] = []
    for step in range(12):
        if step % 3 == 0:
            answer = pulled(api, robot, chosen.choice((NDJSON, CSV)))
            copies.append((answer.headers["cloister-feed-cursor"], {row["patient_id"] for row in rows(answer)}))
        present = {UUID(row["patient_id"]) for row in rows(pulled(api, robot))}
        moved = chosen.sample(patients, chosen.randint(0, len(patients)))
        move(world, enter=set(moved) - present, leave=present & set(moved))
    now = {row["patient_id"] for row in rows(pulled(api, robot, "application/json"))}
    for cursor, copy in copies:
        for change in followed(api, robot, cursor):
            (copy.add if change["kind"] == "entered" else copy.discard)(change["patient_id"])
        assert copy == now


def followed(api: Api, headers: Headers, cursor: str) -> Iterator[dict[str, Any]]:
    """All changes after a cursor, by small pages."""
    more = True
    while more:
        page = asked(api, headers, after=cursor, limit=2).json()
        yield from page["changes"]
        cursor, more = page["next"], page["more"]


@pytest.mark.check(49)
def test_the_sample_client_follows_and_begins_anew_where_the_feed_ends(
    world: World, api: Api, robot: Headers, patients: list[UUID], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy() -> Copy:
        service = Cloister(str(api.base_url), world.keys["north"])
        return Copy(str(tmp_path / "copy.sqlite"), service, "north", "everybody")

    def members() -> set[str]:
        return {row["patient_id"] for row in rows(pulled(api, robot))}

    first = copy()
    first.step()
    assert first.members() == members()
    move(world, leave=patients)
    first.step()
    assert first.members() == members() == set()
    move(world, enter=patients[:1])
    again = copy()  # another process goes on from the same place
    again.step()
    assert again.members() == members() == {str(patients[0])}
    move(world, enter=patients[1:])
    world.change("update clinic_north.segment_member set entered_at = '2026-02-01' where left_at is null")
    monkeypatch.setenv("CLOISTER_FEED_RETENTION_DAYS", "1")
    settings.cache_clear()
    again.step()
    assert again.members() == members() == {str(patient) for patient in patients}


ENTRY = {"at": "2026-01-01T00:00:00Z", "cause": "consent", "version": 1, "fires": False}
WHOLE = [{"patient_id": "a"}, {"patient_id": "b"}]
END = {"complete": {"members": 2, "feed_cursor": "1"}}


def answering(*lines: dict[str, Any], breaks_off: bool = False, changes: Any = ()) -> httpx.MockTransport:
    """A service whose pull has these lines, and whose feed these changes."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/changes"):
            return httpx.Response(200, json={"segment": "s", "changes": changes, "next": "2", "more": False})

        def body() -> Any:
            for line in lines:
                yield json.dumps(line).encode() + b"\n"
            if breaks_off:
                raise httpx.RemoteProtocolError("the peer closed the connection")

        return httpx.Response(200, content=body(), headers={"cloister-feed-cursor": "1"})

    return httpx.MockTransport(answer)


@pytest.mark.check(15)
def test_a_void_pull_leaves_the_copy_as_it_was_and_forget_takes_somebody_out(tmp_path: Path) -> None:
    def copy(transport: httpx.MockTransport) -> Copy:
        return Copy(str(tmp_path / "copy.sqlite"), Cloister("http://x", "k", transport), "c", "s")

    for bad in (
        answering(*WHOLE, {"void": "somebody withdrew"}),
        answering(*WHOLE),
        answering(WHOLE[0], END),
        answering(*WHOLE, breaks_off=True),
    ):
        with pytest.raises(Void):
            copy(bad).step()
        assert copy(bad).members() == set()
    whole = copy(answering(*WHOLE, END, changes=[{"kind": "forget", "patient_id": "a", **ENTRY}]))
    whole.step()
    assert whole.members() == {"a", "b"}
    whole.step()
    assert whole.members() == {"b"}


@pytest.mark.check(49)
def test_a_copy_of_an_archived_segment_becomes_empty_and_its_past_stays(
    world: World, api: Api, robot: Headers, patients: list[UUID], tmp_path: Path
) -> None:
    def past(name: str, clinic: str = "north") -> httpx.Response:
        path, at = (
            CHANGES.format("everybody").replace("changes", "members"),
            (before - timedelta(seconds=1)).isoformat(),
        )
        return httpx.get(f"{api.base_url}{path.replace('north', clinic)}", headers=key(world, name), params={"at": at})

    there = {UUID(row["patient_id"]) for row in rows(pulled(api, robot))}
    move(world, enter=set(patients) - there)
    copy = Copy(str(tmp_path / "copy.sqlite"), Cloister(str(api.base_url), world.keys["north"]), "north", "everybody")
    copy.step()
    assert copy.members() == {str(patient) for patient in patients}
    # As long ago as that, so that the past is one.
    world.change("update clinic_north.segment_member set entered_at = entered_at - interval '1 hour'")
    before = datetime.now(UTC)
    world.change("update clinic_north.segment set archived_at = now() where slug = 'everybody'")
    move(world, leave=patients)
    copy.step()
    assert copy.members() == set()
    # That it is archived is told to whoever may list it, in each form, and to nobody else.
    for answer in (pulled(api, robot), pulled(api, robot, "application/json"), pulled(api, robot, CSV)):
        assert (answer.status_code, answer.json()["errors"][0]["rule"]) == (410, "archived")
        assert recorded(world, answer)[0][:2] == ("deny", 0)
    for name in ("north.elders", "south"):
        assert pulled(api, key(world, name)).status_code == 404
    answer = past("north")
    assert {row["patient_id"] for row in answer.json()["members"]} == {str(patient) for patient in patients}
    assert recorded(world, answer)[0][:2] == ("permit", len(patients))
    for name, clinic in (("north.elders", "north"), ("north", "south")):
        assert past(name, clinic).status_code == 404
    world.change("update clinic_north.segment set archived_at = null where slug = 'everybody'")


@pytest.mark.check(49)
def test_a_copy_that_was_away_for_longer_than_the_feed_is_kept_learns_that_its_segment_is_archived(
    world: World, api: Api, robot: Headers, patients: list[UUID], tmp_path: Path
) -> None:
    there = {UUID(row["patient_id"]) for row in rows(pulled(api, robot))}
    move(world, enter=set(patients) - there)
    copy = Copy(str(tmp_path / "copy.sqlite"), Cloister(str(api.base_url), world.keys["north"]), "north", "everybody")
    copy.step()
    cursor = end(api, robot)
    world.change("update clinic_north.segment set archived_at = now() where slug = 'everybody'")
    move(world, leave=patients)
    old = timedelta(days=settings().feed_retention_days + 1)
    world.change(
        "update clinic_north.segment_member set entered_at = entered_at - %s, left_at = left_at - %s", old, old
    )
    for answer in (asked(api, robot, after=cursor), asked(api, robot), pulled(api, robot)):
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["place"], error["rule"]) == (410, "path.segment", "archived")
        assert "deletes" in error["detail"]
    for _ in range(2):
        with pytest.raises(Archived, match="archived"):
            copy.step(wait=0)
        assert copy.members() == set()
    world.change("update clinic_north.segment set archived_at = null where slug = 'everybody'")
    copy.step(wait=0)
    assert copy.members() == {row["patient_id"] for row in rows(pulled(api, robot))}
