"""Which imports, runs and units of the worker touched a clinic, and whom: each question is an event."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import access_world
import pytest
from access_world import FINCH, HERON, WREN, Api, World
from auditing import auditors
from pages_of import browser_sign_in, send

from infra.database import connect_admin

__all__ = ["auditors"]  # fixtures

BATCHES = "/v1/audit/batches"
Headers = dict[str, dict[str, str]]
Found = dict[str, Any]
_EVENT = """
insert into audit.access_event (event_id, occurred_at, principal_kind, role, action, resource_type, resource_id,
    clinic_id, decision, policies, patients, batch_id)
values (%s, %s, 'process', 'pipeline', %s, %s, %s, %s, 'permit', '{}', %s, %s)"""
_MOVED = """
insert into audit.batch_patient (event_id, occurred_at, clinic_id, patient_id, asset)
select e.event_id, e.occurred_at, e.clinic_id, p, e.resource_type
from audit.access_event as e, unnest(%s::uuid[]) as p where e.event_id = %s"""


class Past:
    """What imports, the pipeline and the worker would have left, a minute after each other."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = datetime.now(UTC) - timedelta(hours=3)

    def event(
        self, batch: UUID, clinic: str, action: str, what: str, moved: Sequence[UUID] = (), count: int | None = None,
        model: str | None = None,
    ) -> None:  # fmt: skip
        event, self.now = uuid4(), self.now + timedelta(minutes=1)
        patients = len(moved) if count is None else count
        with connect_admin(self.world.server) as admin:
            # Three hours ago another month may have been.
            admin.execute("select audit.ensure_month(%s::date)", [self.now])
            admin.execute(
                _EVENT, [event, self.now, action, what, model, self.world.clinic_ids[clinic], patients, batch]
            )
            admin.execute(_MOVED, [list(moved), event])


@pytest.fixture(scope="module")
def past(world: World) -> dict[str, UUID]:
    """An import into both clinics, a run over both, and a unit of the worker at each."""
    named = {name: uuid4() for name in ("import", "run", "north", "south")}
    finch, wren = (world.patients["north", name] for name in (FINCH, WREN))
    heron, at = world.patients["south", HERON], Past(world)
    at.event(named["import"], "north", "import.csv", "patient", count=2)
    at.event(named["import"], "north", "import.csv", "patient", count=1)
    at.event(named["import"], "south", "import.csv", "patient", count=1)
    at.event(named["run"], "north", "pipeline.ingest", "patients", [finch, wren])
    at.event(named["run"], "south", "pipeline.ingest", "patients", [heron])
    at.event(named["run"], "north", "pipeline.ingest", "appointments", [wren])
    at.event(named["run"], "north", "pipeline.build", "model", count=2, model="segment_report")
    at.event(named["north"], "north", "pipeline.live", "mart", [finch])
    at.event(named["south"], "south", "pipeline.live", "mart", [heron])
    return named


def found(api: Api, headers: dict[str, str], path: str = BATCHES, **query: Any) -> Found:
    answer = api.get(path, headers=headers, params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def steps(batch: Found) -> list[tuple[str, str, int, int]]:
    return [(step["action"], step["what"], step["events"], step["patients"]) for step in batch["steps"]]


def test_what_touched_a_clinic_is_listed_with_what_it_did(api: Api, auditors: Headers, past: dict[str, UUID]) -> None:
    listed = found(api, auditors["auditor.north"])
    assert [UUID(each["batch_id"]) for each in listed["batches"]] == [past[name] for name in ("north", "run", "import")]
    assert {each["clinic"] for each in listed["batches"]} == {"north"} and listed["next"] is None
    unit, run, imported = listed["batches"]
    assert steps(unit) == [("pipeline.live", "mart", 1, 1)]
    assert steps(run) == [
        ("pipeline.ingest", "patients", 1, 2),
        ("pipeline.ingest", "appointments", 1, 1),
        ("pipeline.build", "segment_report", 1, 2),
    ]
    assert steps(imported) == [("import.csv", "patient", 2, 3)]
    assert run["first_at"] < run["last_at"] < unit["last_at"]
    everywhere = found(api, auditors["auditor"])["batches"]
    assert [(UUID(each["batch_id"]), each["clinic"]) for each in everywhere] == [
        (past["south"], "south"), (past["north"], "north"), (past["run"], "north"), (past["run"], "south"),
        (past["import"], "south"), (past["import"], "north"),
    ]  # fmt: skip


def test_the_list_is_narrowed_and_goes_on_page_by_page(api: Api, auditors: Headers, past: dict[str, UUID]) -> None:
    headers = auditors["auditor.north"]
    for kind, name in (("import", "import"), ("run", "run"), ("worker", "north")):
        assert [UUID(each["batch_id"]) for each in found(api, headers, kind=kind)["batches"]] == [past[name]]
    whole = found(api, headers)["batches"]
    ended = whole[1]["last_at"]
    assert found(api, headers, until=ended)["batches"] == whole[2:]
    assert found(api, headers, since=ended)["batches"] == whole[:2]
    first = found(api, headers, limit=2)
    assert first["batches"] + found(api, headers, limit=2, cursor=first["next"])["batches"] == whole
    assert api.get(BATCHES, headers=headers, params={"kind": "run", "cursor": first["next"]}).status_code == 404


def test_a_batch_is_resolved_to_the_patients_whose_rows_it_moved(
    world: World, api: Api, auditors: Headers, past: dict[str, UUID]
) -> None:
    headers, path = auditors["auditor.north"], f"{BATCHES}/{past['run']}"
    finch, wren = (str(world.patients["north", name]) for name in (FINCH, WREN))
    run = found(api, headers, path)
    assert run["moved"] == 2 and run["clinic"] == "north" and len(run["steps"]) == 3
    moved = {each["patient_id"]: each["assets"] for each in run["patients"]}
    assert moved == {finch: ["patients"], wren: ["appointments", "patients"]}
    assert list(moved) == sorted(moved)
    first = found(api, headers, path, limit=1)
    second = found(api, headers, path, limit=1, cursor=first["next"])
    assert first["patients"] + second["patients"] == run["patients"] and second["next"] is None
    assert first["moved"] == second["moved"] == 2
    whole = found(api, auditors["auditor"], path)
    assert whole["moved"] == 3 and whole["clinic"] is None
    imported = found(api, headers, f"{BATCHES}/{past['import']}")
    assert imported["patients"] == [] and imported["moved"] == 0 and imported["next"] is None


@pytest.mark.check(6)
@pytest.mark.check(50)
def test_another_clinics_batch_is_as_one_that_is_not_there(
    world: World, api: Api, auditors: Headers, past: dict[str, UUID]
) -> None:
    headers = auditors["auditor.north"]
    cursor = found(api, headers, f"{BATCHES}/{past['run']}", limit=1)["next"]
    answers = [api.get(f"{BATCHES}/{named}", headers=headers) for named in (past["south"], uuid4(), "x")]
    answers.append(api.get(f"{BATCHES}/{past['run']}", headers=headers, params={"clinic": "south"}))
    answers.append(api.get(f"{BATCHES}/{past['import']}", headers=headers, params={"cursor": cursor}))
    answers.append(api.get(BATCHES, headers=headers, params={"clinic": "south"}))
    answers += [api.get(path, headers=access_world.sign_in(api, "manager.north"))
                for path in (BATCHES, f"{BATCHES}/{past['run']}")]  # fmt: skip
    bodies = {answer.text.replace(answer.headers["x-request-id"], "") for answer in answers}
    assert {answer.status_code for answer in answers} == {404} and len(bodies) == 1
    heron = str(world.patients["south", HERON])
    assert heron not in str(found(api, headers, f"{BATCHES}/{past['run']}"))


@pytest.mark.check(28)
def test_each_question_is_an_event(world: World, api: Api, auditors: Headers, past: dict[str, UUID]) -> None:
    for path, action in ((BATCHES, "audit.review"), (f"{BATCHES}/{past['run']}", "audit.search")):
        answer = api.get(path, headers=auditors["auditor.north"])
        rows = world.look(
            "select action, decision, clinic_id from audit.access_event where request_id = %s",
            answer.headers["x-request-id"],
        )
        assert rows == [(action, "permit", world.clinic_ids["north"])]


def test_the_pages_show_them(world: World, api: Api, past: dict[str, UUID]) -> None:
    browser_sign_in(api, "auditor.north")
    send(api, "/sign-in/code", "/sign-in/code", code=access_world.fresh_code(api.server, "auditor.north"))
    listed = api.get("/audit/batches?kind=run").text
    assert str(past["run"]) in listed and str(past["north"]) not in listed and "segment_report" in listed
    assert api.get("/audit/batches?since=never").status_code == 422
    page = api.get(f"/audit/batches/{past['run']}").text
    assert "Rows of 2 patients moved" in page and str(world.patients["north", WREN]) in page
    assert "stands in the run" in api.get(f"/audit/batches/{past['import']}").text
    assert api.get(f"/audit/batches/{past['south']}").status_code == 404
    ((event,),) = world.look(
        "select event_id from audit.access_event where batch_id = %s and clinic_id = %s",
        past["north"], world.clinic_ids["north"],
    )  # fmt: skip
    assert f'href="/audit/batches/{past["north"]}' in api.get(f"/audit/events/{event}").text
    api.cookies.clear()
