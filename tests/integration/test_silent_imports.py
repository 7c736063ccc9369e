"""No automation acts on what an import brings, by whichever way it reaches the marts, unless it is asked to."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from operational_rows import Rows
from typer.testing import CliRunner

from infra.cli.main import build
from infra.database import Server
from orchestration.clinics import ClinicDay
from orchestration.importing.mapping import Mapping
from orchestration.live import attend as attending
from orchestration.live.lane import open_lane
from orchestration.live.unit import begin_day
from tests.integration import live_twins
from tests.integration.importing import bring
from tests.integration.live_twins import AS_OF, evaluate, load, save
from tests.integration.test_importing import MAPPING

PATIENTS = """\
clinic,id,name,since,born,phone,guardian
north,1,Canary Finch,2020-01-02,1950-02-28,,
north,2,Ada Wren,2020-01-03,1990-02-27,,
"""
YEARS = """\
clinic,visit,patient,status,booked,starts
north,v1,1,done,2021-02-01,2021-02-03
north,v2,2,done,2022-02-01,2022-02-03
"""
MAPPINGS = {
    "csv": "source: desk\nfiles:\n  - entities:\n      - entity: patient\n"
    "        fields: {source_id: id, name: name, registered_on: since}\n",
    "fhir": "source: ward\nclinics: {default: north}\nregistered_on: 2024-01-01\n",
}
FILES = {"csv": "csv", "fhir": "ndjson"}
ASKED = MAPPING.model_copy(update={"fires": True})


def batch(at: Server) -> None:
    load(at, "north")
    evaluate(at, "north")


def live(at: Server) -> None:
    live_twins.bring(at)


def next_day(at: Server, *, by_worker: bool) -> None:
    """Have north's next day begin, by the worker or by a build for it."""
    morrow = ClinicDay("north", AS_OF + timedelta(days=1))
    if by_worker:
        with open_lane(at) as lane:
            assert begin_day(lane, morrow, datetime.combine(morrow.as_of, time(12), UTC), wait=True)
            attending.attend(lane, morrow, wait=True)
    else:
        load(at, "north")
        evaluate(at, "north", morrow.as_of)


def fired(rows: Rows) -> list[tuple[str, bool]]:
    """Who entered the segment of those who have been seen, by their names, and whether automation may act on that."""
    return rows.admin.execute(
        "select p.name, c.fires from clinic_north.segment_change as c"
        " inner join clinic_north.segment as s on s.segment_id = c.segment_id and s.slug = 'seen'"
        " inner join clinic_north.raw_patients as p using (patient_id) where c.kind = 'entered' order by c.run, p.name"
    ).fetchall()


@pytest.fixture
def began(server: Server, admin: psycopg.Connection, tmp_path: Path) -> Rows:
    """A clinic with patients and a segment that has been evaluated; the files of their years are still to come."""
    (tmp_path / "patients.csv").write_text(PATIENTS)
    (tmp_path / "visits.csv").write_text(YEARS)
    save(server, {"seen": "appointments.count > 0"})
    bring(server, MAPPING, tmp_path / "patients.csv")
    batch(server)
    return Rows(admin)


@pytest.mark.parametrize("way", [live, batch])
@pytest.mark.parametrize(("mapping", "fires"), [(MAPPING, False), (ASKED, True)], ids=["silent", "asked"])
def test_a_file_of_years_reaches_automation_only_if_that_is_asked(
    server: Server, began: Rows, tmp_path: Path, way: Callable[[Server], None], mapping: Mapping, fires: bool
) -> None:
    bring(server, mapping, tmp_path / "visits.csv")
    way(server)
    assert fired(began) == [("Ada Wren", fires), ("Canary Finch", fires)]
    # What happens at the clinic itself fires as ever.
    stranger = began.patient("north")
    way(server)
    began.appointment("north", stranger, AS_OF)
    way(server)
    assert fired(began)[-1][1] is True


@pytest.mark.parametrize("way", [live, batch])
def test_who_changed_at_the_clinic_as_well_is_told(
    server: Server, began: Rows, tmp_path: Path, way: Callable[[Server], None]
) -> None:
    ((patient,),) = began.admin.execute(
        "select patient_id from clinic_north.raw_patients where name = 'Canary Finch'"
    ).fetchall()
    bring(server, MAPPING, tmp_path / "visits.csv")
    began.appointment("north", patient, AS_OF)
    way(server)
    assert fired(began) == [("Ada Wren", False), ("Canary Finch", True)]


@pytest.mark.parametrize("way", [live, batch])
def test_what_shows_in_no_mart_tells_nobody_what_an_import_brought(
    server: Server, began: Rows, tmp_path: Path, way: Callable[[Server], None]
) -> None:
    (finch, _) = began.raw("north", columns="patient_id")
    plan = began.plan("north", UUID(str(finch[0])), [AS_OF])
    way(server)
    bring(server, MAPPING, tmp_path / "visits.csv")
    began.admin.execute("update operational.treatment_plan set title = 'Neck' where plan_id = %s", [plan])
    way(server)
    assert fired(began) == [("Ada Wren", False), ("Canary Finch", False)]


@pytest.mark.parametrize("by_worker", [True, False])
def test_a_midnight_tells_nobody_what_an_import_brought(
    server: Server, began: Rows, tmp_path: Path, by_worker: bool
) -> None:
    bring(server, MAPPING, tmp_path / "visits.csv")
    began.admin.execute("update clinic_north.segment_clock set flips_known = false")  # so that everybody is due
    next_day(server, by_worker=by_worker)
    assert fired(began) == [("Ada Wren", False), ("Canary Finch", False)]


@pytest.mark.parametrize("by_worker", [True, False])
def test_what_runs_out_with_the_day_is_as_silent_as_the_import_beside_it(
    server: Server, began: Rows, by_worker: bool
) -> None:
    """Finch enters those of unknown sex as the consent ends; the worker notes that, a build finds it with the rest."""
    ((person,),) = began.admin.execute("select person_id from operational.person where name = 'Canary Finch'")
    began.admin.execute(
        "insert into operational.profile (person_id, sex) values (%s, 'female')"
        " on conflict (person_id) do update set sex = excluded.sex",
        [person],
    )
    began.consent("north", person)
    batch(server)
    save(server, {"seen": "sex is unknown"})
    batch(server)
    assert fired(began) == [("Ada Wren", False)], "Finch is of a known one"
    with began.admin.transaction():
        began.admin.execute("set local session_replication_role = replica")  # as time does, which no trigger sees
        began.admin.execute("update operational.consent set expires_at = now() where person_id = %s", [person])
        began.admin.execute("update operational.sharing_limit set ends_at = now() where source = 'consent'")
        began.admin.execute("update clinic_north.raw_patients set profile_until = now() where profile_shared")
    with began.admin.transaction():
        began.admin.execute("select set_config('cloister.fires', 'off', true)")
        began.admin.execute("update operational.person set name = 'Canary Fink' where person_id = %s", [person])
    next_day(server, by_worker=by_worker)
    # The stay itself goes to the audit zone at once, as one that the end of a profile told of.
    assert began.admin.execute("select entered_by, fires_in from audit.withdrawn_stay").fetchall() == [
        ("consent", False)
    ]
    assert fired(began) == [("Ada Wren", False), ("Canary Fink", False)]


@pytest.mark.check(47)
@pytest.mark.parametrize("way", [live, batch])
def test_what_was_dead_is_as_silent_when_it_is_alive_again(
    server: Server, began: Rows, tmp_path: Path, way: Callable[[Server], None]
) -> None:
    began.admin.execute("alter table clinic_north.raw_appointments add constraint none check (false) not valid")
    bring(server, MAPPING, tmp_path / "visits.csv")
    live(server)
    assert began.raw("north", "dead_change", "fires") == [(False,), (False,)]
    began.admin.execute("alter table clinic_north.raw_appointments drop constraint none")
    if way is live:
        with open_lane(server) as lane:
            assert attending.retry(lane, ClinicDay("north", AS_OF)) == (2, 0)
    else:
        batch(server)
    assert fired(began) == [("Ada Wren", False), ("Canary Finch", False)]


@pytest.mark.parametrize("kind", ["csv", "fhir"])
def test_the_commands_are_silent_unless_they_are_told_to_fire(
    server: Server, admin: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("infra.database.server", lambda: server)
    (tmp_path / "map.yml").write_text(MAPPINGS[kind])
    for number, options in enumerate(([], ["--fire"])):
        content = f"id,name,since\n{number},Ada Wren,2026-01-01\n"
        if kind == "fhir":
            content = json.dumps({"resourceType": "Patient", "id": str(number), "name": [{"text": "Ada Wren"}]})
        path = tmp_path / f"{number}.{FILES[kind]}"
        path.write_text(content)
        clinic = ["--clinic", "north"] if kind == "csv" else []
        command = ["import", kind, str(path), "--mapping", str(tmp_path / "map.yml"), *clinic, *options]
        assert CliRunner().invoke(build(), command, catch_exceptions=False).exit_code == 0
        waiting = admin.execute("delete from operational.outbox returning fires").fetchall()
        assert set(waiting) == {(bool(options),)}
