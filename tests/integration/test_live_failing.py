"""A segment that cannot be evaluated is left out, and takes nobody with it; a patient who alone is to blame is dead."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest
from operational_rows import Rows

from infra.database import Server, connect_admin
from infra.live_health import health
from orchestration.clinics import ClinicDay
from orchestration.drift import check_drift
from orchestration.live import attend as attending
from orchestration.live.lane import open_lane
from orchestration.programs import write_program
from policies.segments.catalogue import CATALOGUE
from tests.integration.live_twins import AS_OF, RULES, TWINS, bring, evaluate, save
from tests.integration.test_live_turns import segments_of

NORTH = ClinicDay("north", AS_OF)


@pytest.fixture(scope="module")
def rows(module_server: Server) -> Iterator[Rows]:
    with connect_admin(module_server) as admin:
        admin.execute("update operational.clinic set time_zone = 'UTC'")
        save(module_server, RULES)
        for clinic in TWINS:
            bring(module_server, clinic)
        yield Rows(admin)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attending, "MOST_DEAD", 2)


@pytest.fixture
def failing(module_server: Server, rows: Rows) -> Iterator[None]:
    """A segment that fails for whoever is registered since ever, and one that names it."""
    save(module_server, {"long": "registration.days >= 1", "named": 'in_segment("long") and age > 1'}, ("north",))
    bring(module_server)
    yield
    save(module_server, {"long": "forms.pending > 3"}, ("north",))
    bring(module_server)
    assert rows.raw("north", "segment_broken") == []


def ever(rows: Rows, patients: int) -> list[UUID]:
    """So many patients of whom it cannot be told how long they are registered, each seen once."""
    found = [rows.patient("north", birth_date=date(1931, 5, 17)) for _ in range(patients)]
    for patient in found:
        rows.appointment("north", patient, AS_OF)
    rows.admin.execute(
        "update operational.registration set registered_on = '-infinity' where patient_id = any(%s)", [found]
    )
    return found


def state_of(rows: Rows) -> list[tuple[str, str | None]]:
    return rows.admin.execute(
        "select slug, sqlstate from clinic_north.segment_broken inner join clinic_north.segment using (segment_id)"
        " order by slug"
    ).fetchall()


@pytest.mark.check(47)
def test_a_segment_that_fails_for_many_is_left_out_and_nobody_is_dead(
    module_server: Server, rows: Rows, few: None, failing: None
) -> None:
    member = rows.patient("north")
    bring(module_server)
    assert "long" in segments_of(rows, member)
    patients = ever(rows, 5)
    bring(module_server)
    assert state_of(rows) == [("long", "22008"), ("named", None)]
    assert rows.raw("north", "dead_change") == []
    assert all("attended" in segments_of(rows, patient) for patient in patients)
    assert "long" in segments_of(rows, member)
    assert health(module_server).clinics["north"].broken == ["long", "named"]
    assert health(module_server).clinics["south"].broken == []
    # A build leaves it out as well, another rule does not bring it back, and its members stay.
    assert write_program(module_server, "north") and evaluate(module_server, "north")
    assert check_drift(module_server, ["north"]).passed
    save(module_server, {"seen": "appointments.count > 0 and age > 0"}, ("north",))
    bring(module_server)
    assert state_of(rows) == [("long", "22008"), ("named", None)] and "long" in segments_of(rows, member)


def test_saved_it_is_left_out_of_the_evaluation_of_all(module_server: Server, rows: Rows, few: None) -> None:
    patients = ever(rows, 4)
    bring(module_server)
    save(module_server, {"long": "registration.days >= 2", "other": "appointments.count >= 1"}, ("north",))
    bring(module_server)
    assert ("long", "22008") in state_of(rows)
    assert rows.raw("north", "dead_change") == []
    assert all("other" in segments_of(rows, patient) for patient in patients)
    rows.admin.execute("update operational.registration set registered_on = '2020-01-01'"
                       " where registered_on = '-infinity'")  # fmt: skip
    bring(module_server)
    assert "long" not in segments_of(rows, patients[0])  # its rule has not changed
    with open_lane(module_server) as lane:
        attending.retry(lane, NORTH)
    bring(module_server)
    assert state_of(rows) == [] and all("long" in segments_of(rows, patient) for patient in patients)


def test_a_few_patients_for_whom_it_fails_are_dead_and_it_goes_on(
    module_server: Server, rows: Rows, few: None, failing: None
) -> None:
    (patient,) = ever(rows, 1)
    other = rows.patient("north")
    bring(module_server)
    assert [row[0] for row in rows.raw("north", "dead_change")] == [patient] * 2 and state_of(rows) == []
    assert "long" in segments_of(rows, other)
    rows.admin.execute("update operational.registration set registered_on = '2020-01-01' where patient_id = %s",
                       [patient])  # fmt: skip
    bring(module_server)
    assert rows.raw("north", "dead_change") == [] and "long" in segments_of(rows, patient)


def test_a_segment_that_fails_for_a_few_of_each_visit_is_left_out_in_the_end(
    module_server: Server, rows: Rows, few: None, failing: None
) -> None:
    for dead in (1, 2):
        ever(rows, 1)
        bring(module_server)
        assert len({row[0] for row in rows.raw("north", "dead_change")}) == dead and state_of(rows) == []
    patients = ever(rows, 1)
    bring(module_server)
    assert state_of(rows) == [("long", "22008"), ("named", None)]
    assert rows.raw("north", "dead_change") == []
    assert "attended" in segments_of(rows, patients[0])


def test_what_fails_whoever_the_patient_is_is_left_out_at_once(
    module_server: Server, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = replace(CATALOGUE["blood_type"], sql="(1 / 0)::text")
    monkeypatch.setitem(CATALOGUE, "blood_type", broken)
    patient = rows.patient("north")
    save(module_server, {"rare": 'blood_type = "AB-"'}, ("north",))
    rows.appointment("north", patient, AS_OF)
    bring(module_server)
    assert state_of(rows) == [("rare", "22012")] and rows.raw("north", "dead_change") == []
    assert "attended" in segments_of(rows, patient)
    monkeypatch.undo()
    save(module_server, {"rare": 'blood_type = "AB+"'}, ("north",))
    bring(module_server)
    assert state_of(rows) == []
