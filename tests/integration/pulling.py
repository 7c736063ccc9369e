"""What the tests of pulls and feeds share: runs that move members, pulls in every format, and what was recorded."""

import csv
import io
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from uuid import UUID

import httpx
import pyarrow as pa
import pytest
from access_world import Api, World

from api.segments import pull_service
from infra.database import connect_admin
from infra.spreadsheets import cell

NDJSON, CSV, ARROW = "application/x-ndjson", "text/csv", "application/vnd.apache.arrow.stream"
MEMBERS = "/v1/clinics/north/segments/{}/members"
CHANGES = "/v1/clinics/north/segments/{}/changes"
Headers = dict[str, str]
Row = dict[str, Any]


def key(world: World, name: str) -> Headers:
    return {"Authorization": f"Bearer {world.keys[name]}"}


def move(world: World, *, enter: Iterable[UUID] = (), leave: Iterable[UUID] = (), segment: str = "everybody") -> None:
    """One run of clinic north, as the pipeline leaves it; it tells whoever listens."""
    segment_id = world.segments["north", segment]
    with connect_admin(world.server) as admin, admin.transaction():
        admin.execute("set local search_path = clinic_north")
        row = admin.execute("update segment_clock set run = run + 1, at = now() returning run").fetchone()
        assert row
        for patient in enter:
            admin.execute(
                "insert into segment_member (segment_id, patient_id, entered_at, entered_run, version, entered_by,"
                " fires_in) values (%s, %s, now(), %s, 1, 'data', true)",
                [segment_id, patient, row[0]],
            )
        admin.execute(
            "update segment_member set left_at = now(), left_run = %s, left_by = 'data', left_version = 1,"
            " fires_out = true where segment_id = %s and patient_id = any(%s) and left_at is null",
            [row[0], segment_id, list(leave)],
        )
        admin.execute("notify cloister_changes, 'north'")


def newcomer(world: World, name: str) -> UUID:
    """One more patient of north, in its mart as well, and in no segment."""
    world.people[name] = world.newcomer("north")
    query = "select patient_id from operational.registration where person_id = %s"
    ((patient,),) = world.look(query, world.people[name])
    world.patients["north", name] = patient
    world.change(
        "insert into clinic_north.raw_patients (patient_id, version, name, registered_on, profile_shared)"
        " values (%s, 1, %s, '2020-01-01', false)", patient, name,
    )  # fmt: skip
    return patient


def pulled(api: Api, headers: Headers, kind: str = NDJSON, segment: str = "everybody", **more: str) -> httpx.Response:
    return api.get(MEMBERS.format(segment), headers={**headers, "Accept": kind, **more})


def rows(answer: httpx.Response) -> list[Row]:
    """The members in an answer of whichever format, as it holds them."""
    kind = answer.headers["content-type"].partition(";")[0]
    if kind == NDJSON:
        return [json.loads(line) for line in answer.text.splitlines()[:-1]]
    if kind == CSV:
        return list(csv.DictReader(io.StringIO(answer.text, newline="")))
    if kind == ARROW:
        found: list[Row] = pa.ipc.open_stream(answer.content).read_all().to_pylist()
        return found
    members: list[Row] = answer.json()["members"]
    return members


def as_table(members: Iterable[Row], fields: Iterable[str], kind: str) -> list[Row]:
    """Members as a table holds them, which has a cell for what is absent."""
    written: Callable[[Any], Any] = cell if kind == CSV else lambda value: value
    return [{field: written(member.get(field)) for field in fields} for member in members]


def last_line(answer: httpx.Response) -> Row:
    found: Row = json.loads(answer.text.splitlines()[-1])
    return found


def recorded(world: World, answer: httpx.Response) -> list[tuple[str, int, list[UUID]]]:
    """Of each event of a request, in order: the decision, the count, and the patients by id."""
    return world.look(
        "select e.decision, e.patients, array(select d.patient_id from audit.disclosed as d"
        " where d.event_id = e.event_id and d.occurred_at = e.occurred_at order by 1)"
        " from audit.access_event as e where e.request_id = %s and e.action like 'member.%%'"
        " order by e.occurred_at, e.event_id",
        answer.headers["x-request-id"],
    )


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None], *, before_part: int = 2) -> None:
    """Have something happen while a pull is given: before that part of it, of one member each."""
    monkeypatch.setattr(pull_service, "MEMBERS_A_PART", 1)
    check: Callable[[Any], Awaitable[None]] = pull_service._Reading.check
    checks = 0

    async def interrupted(reading: Any) -> None:
        nonlocal checks
        checks += 1
        if checks == before_part:
            happens()
        await check(reading)

    monkeypatch.setattr(pull_service._Reading, "check", interrupted)
