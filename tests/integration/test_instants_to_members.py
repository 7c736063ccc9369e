"""From an instant to a member: the clinic's own day counts, and what was deleted does not."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from access_world import DELETED
from operational_rows import Rows

from infra.database import Server
from orchestration.importing.mapping import Mapping
from tests.clocks import CLOCKS_CHANGE
from tests.integration.importing import bring
from tests.integration.live_twins import TWINS, evaluate, load, save

THAT_DAY = 'answers.count(1d, form="pain", question="score") > 0'
TWO_DAYS = 'answers.count(2d, form="pain", question="score") > 0'
DAY_BEFORE = 'answers.days_since_last(form="pain", question="score") = 1'
COMPLETED = 'forms.completed(1d, form="pain") > 0'
SEEN = "appointments.count(1d) > 0"
EXERCISED = "adherence.completion_rate(1d) > 0"
DAY = date(2024, 3, 31)
VISITS = Mapping.model_validate({
    "source": "hospital", "people": "source", "files": [
        {"match": "patients.csv", "entities": [
            {"entity": "patient", "fields": {"source_id": "id", "name": "id", "registered_on": "since"}},
        ]},
        {"match": "visits.csv", "entities": [
            {"entity": "appointment", "fields": {
                "record_id": "at", "source_id": "at", "booked_at": "at", "starts_at": "at", "status": "status",
            }},
        ]},
    ],
})  # fmt: skip


def members(admin: psycopg.Connection, clinic: str, slug: str) -> set[UUID]:
    query = "select patient_id from clinic_{0}.segment_member inner join clinic_{0}.segment using (segment_id)"
    rows = admin.execute(query.format(clinic) + " where left_at is null and slug = %s", [slug])
    return {patient for (patient,) in rows.fetchall()}


def clinics_day(clinic: str, instant: str, in_berlin: date) -> date:
    """North is in Berlin, south in Sao Paulo, three hours behind Greenwich in every season."""
    return in_berlin if clinic == "north" else (datetime.fromisoformat(instant) - timedelta(hours=3)).date()


def days_around(days: Iterable[date]) -> list[date]:
    """These days and those that follow them."""
    return sorted({day + timedelta(days=later) for day in days for later in (0, 1)})


@pytest.mark.parametrize("clinic", TWINS)
def test_an_answer_and_its_form_count_on_the_clinics_day_on_both_sides_of_midnight_where_the_clocks_change(
    server: Server, admin: psycopg.Connection, clinic: str
) -> None:
    rows, given = Rows(admin), dict[UUID, date]()
    for instant, in_berlin in CLOCKS_CHANGE:
        given[patient := rows.patient(clinic)] = clinics_day(clinic, instant, in_berlin)
        rows.form(clinic, patient, datetime.fromisoformat(instant))
    rules = {"that-day": THAT_DAY, "completed": COMPLETED, "two-days": TWO_DAYS, "day-before": DAY_BEFORE}
    save(server, rules, (clinic,))
    load(server, clinic)
    for day in days_around(given.values()):
        evaluate(server, clinic, day)
        on, before = ({who for who, of in given.items() if of == day - timedelta(days=ago)} for ago in (0, 1))
        assert members(admin, clinic, "that-day") == members(admin, clinic, "completed") == on, day
        assert members(admin, clinic, "two-days") == on | before, day
        assert members(admin, clinic, "day-before") == before, day


@pytest.mark.parametrize("clinic", TWINS)
def test_an_imported_visit_counts_on_the_clinics_day(
    server: Server, admin: psycopg.Connection, tmp_path: Path, clinic: str
) -> None:
    instants = [instant for instant, _ in CLOCKS_CHANGE]
    (tmp_path / "patients.csv").write_text("\n".join(["id,since", *(f"{each},2024-01-01" for each in instants)]))
    (tmp_path / "visits.csv").write_text("\n".join(["at,status", *(f"{each},fulfilled" for each in instants)]))
    bring(server, VISITS, tmp_path, clinic=clinic)
    who = dict(admin.execute("select source_id, patient_id from operational.appointment").fetchall())
    given = {who[instant]: clinics_day(clinic, instant, in_berlin) for instant, in_berlin in CLOCKS_CHANGE}
    save(server, {"seen": SEEN}, (clinic,))
    load(server, clinic)
    for day in days_around(given.values()):
        evaluate(server, clinic, day)
        assert members(admin, clinic, "seen") == {patient for patient, of in given.items() if of == day}, day


@pytest.mark.check(34)
@pytest.mark.parametrize(
    ("table", "left"),
    [
        ("form_answer", {"answered"}), ("form", {"answered", "completed"}), ("appointment", {"seen"}),
        ("treatment_plan", {"exercised"}), ("adherence", {"exercised"}),
    ],
)  # fmt: skip
def test_who_is_a_member_by_what_is_deleted_is_none_any_more(
    server: Server, admin: psycopg.Connection, table: str, left: set[str]
) -> None:
    rows, found = Rows(admin), dict[str, UUID]()
    rules = {"answered": THAT_DAY, "completed": COMPLETED, "seen": SEEN, "exercised": EXERCISED}
    save(server, rules)
    for clinic in TWINS:
        found[clinic] = patient = rows.patient(clinic)
        rows.form(clinic, patient, datetime.fromisoformat("2024-03-31T12:00:00Z"))
        rows.appointment(clinic, patient, DAY)
        rows.plan(clinic, patient, [DAY])
        load(server, clinic)
        evaluate(server, clinic, DAY)
        assert [members(admin, clinic, slug) for slug in rules] == [{patient}] * len(rules)
    admin.execute(f"update operational.{table} set {DELETED} where patient_id = %s", [found["north"]])
    for clinic in TWINS:
        load(server, clinic)
        evaluate(server, clinic, DAY)
        for slug in rules:
            gone = clinic == "north" and slug in left
            assert members(admin, clinic, slug) == (set() if gone else {found[clinic]}), (clinic, slug)
