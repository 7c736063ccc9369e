"""What ends a pull or a wait that is under way: whoever asks may not any more, or somebody in it was deleted."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import access_world
import httpx
import pytest
from access_world import DELETED, FINCH, WREN, Api, World
from pulling import CHANGES, CSV, NDJSON, Headers, last_line, meanwhile, move, newcomer, pulled, recorded, rows

from api import system_keys
from api.segments.pull_formats import ENDED, VOID
from api.services import WAITS_OF_ONE
from policies.classification import Field


@pytest.fixture(autouse=True)
def filled(world: World) -> Iterator[None]:
    """A clock that has run, and everything as it was afterwards."""
    world.change("update clinic_north.segment_clock set run = greatest(run, 1), at = '2026-01-01'")
    yield
    world.change("update operational.registration set deleted_at = null")
    world.change("update operational.principal_role set revoked_at = null where role = 'clinic_manager'")


@pytest.fixture
def fresh(world: World) -> Headers:
    """A key of its own, called `passing.north`."""
    world.change(
        "update operational.api_key set revoked_at = now() where principal_id in"
        " (select principal_id from operational.principal where login = 'passing.north') and revoked_at is null"
    )
    key = system_keys.add_api_key(world.server, "passing.north", "north", fields=[Field.NAME])
    return {"Authorization": f"Bearer {key}"}


def end_key(world: World) -> None:
    world.change(
        "update operational.api_key set revoked_at = now() where principal_id ="
        " (select principal_id from operational.principal where login = 'passing.north') and revoked_at is null"
    )


def disable(world: World) -> None:
    world.change("update operational.principal set disabled_at = now() where login = 'passing.north'")


def enable(world: World) -> None:
    world.change("update operational.principal set disabled_at = null where login = 'passing.north'")


@pytest.mark.check(15)
@pytest.mark.parametrize("end", [end_key, disable])
def test_a_pull_for_a_key_that_ended_meanwhile_is_void(
    world: World, api: Api, fresh: Headers, monkeypatch: pytest.MonkeyPatch, end: Callable[[World], None]
) -> None:
    meanwhile(monkeypatch, lambda: end(world))
    answer = pulled(api, fresh)
    enable(world)
    assert len(rows(answer)) == 1 and last_line(answer) == {"void": ENDED}
    assert [decision for decision, *_ in recorded(world, answer)][-1] == "deny"


def test_another_format_breaks_off(world: World, api: Api, fresh: Headers, monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(monkeypatch, lambda: end_key(world))
    with pytest.raises(httpx.RemoteProtocolError):
        pulled(api, fresh, CSV)


def test_a_pull_for_a_manager_who_is_one_no_more_is_void(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = access_world.sign_in(api, "manager.north")
    gone = "update operational.principal_role set revoked_at = now() where role = 'clinic_manager' and principal_id = "
    gone += "(select principal_id from operational.principal where login = 'manager.north')"
    meanwhile(monkeypatch, lambda: world.change(gone))
    assert last_line(pulled(api, headers)) == {"void": ENDED}


@pytest.mark.check(15)
@pytest.mark.check(34)
def test_a_pull_is_void_once_somebody_in_it_is_deleted(
    world: World, api: Api, fresh: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def delete(name: str) -> None:
        deletion = f"update operational.registration set {DELETED} where {{}}"
        world.change(deletion.format("patient_id = %s"), world.patients["north", name])

    newcomer(world, "Canary Stranger")
    meanwhile(monkeypatch, lambda: delete("Canary Stranger"))
    assert "complete" in last_line(pulled(api, fresh)), "who is not in it"
    monkeypatch.undo()
    meanwhile(monkeypatch, lambda: delete(WREN))
    assert last_line(pulled(api, fresh)) == {"void": VOID}
    # The mart still lists whom the live worker has not taken out; the next pull does not wait for it.
    assert "complete" in last_line(pulled(api, fresh))


def waiting(api: Api, headers: Headers, after: str) -> httpx.Response:
    query: dict[str, str | int] = {"after": after, "wait": 30}
    return httpx.get(f"{api.base_url}{CHANGES.format('everybody')}", headers=headers, params=query, timeout=60)


def when(api: Api, count: int) -> None:
    """Go on once so many wait."""
    held = api.app.state.services.signals._waiting
    while len(held.get("north", ())) < count:
        assert api.get("/healthz").status_code == 200


@pytest.mark.check(15)
def test_who_waits_with_a_key_that_ended_is_told_nothing(world: World, api: Api, fresh: Headers) -> None:
    cursor = pulled(api, fresh).headers["cloister-feed-cursor"]
    with ThreadPoolExecutor(1) as beside:
        asking = beside.submit(waiting, api, fresh, cursor)
        when(api, 1)
        end_key(world)
        move(world, enter=[newcomer(world, "Canary Late")])
        answer = asking.result()
    assert answer.status_code == 404 and "changes" not in answer.text
    assert [decision for decision, *_ in recorded(world, answer)] == ["deny"]


def test_a_principal_waits_so_often_and_no_more(world: World, api: Api, fresh: Headers) -> None:
    other = {"Authorization": f"Bearer {world.keys['north']}"}
    cursors = [pulled(api, headers).headers["cloister-feed-cursor"] for headers in (fresh, other)]
    with ThreadPoolExecutor(WAITS_OF_ONE + 1) as beside:
        asking = [beside.submit(waiting, api, fresh, cursors[0]) for _ in range(WAITS_OF_ONE)]
        when(api, WAITS_OF_ONE)
        refused = waiting(api, fresh, cursors[0])
        assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
        at_once = api.get(CHANGES.format("everybody"), headers=fresh, params={"after": cursors[0]})
        assert at_once.status_code == 200, "who does not wait takes no place"
        asking.append(beside.submit(waiting, api, other, cursors[1]))
        when(api, WAITS_OF_ONE + 1)
        move(world, enter=[newcomer(world, "Canary Later")])
        assert {one.result().status_code for one in asking} == {200}
    assert not api.app.state.services.waits._held


@pytest.mark.check(12)
@pytest.mark.parametrize("fields", [[], [Field.NAME, Field.EXTERNAL_ID]])
def test_the_tag_of_a_list_without_profiles_tells_nothing_of_a_consent(
    world: World, api: Api, fields: list[Field]
) -> None:
    login = f"tagged{len(fields)}.north"
    headers = {"Authorization": f"Bearer {system_keys.add_api_key(world.server, login, 'north', fields=fields)}"}

    def tags() -> list[str]:
        return [pulled(api, headers, kind).headers["etag"] for kind in ("application/json", NDJSON)]

    before = tags()
    world.consent("north", FINCH, "revoked")
    assert tags() == before
    world.consent("north", FINCH)
    world.change("update clinic_north.raw_patients set name = name || '!' where patient_id = %s",
                 world.patients["north", FINCH])  # fmt: skip
    changed = [one != other for one, other in zip(tags(), before, strict=True)]
    assert changed == [bool(fields)] * 2
