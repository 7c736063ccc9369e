"""From an instant to a member: the clinic's own day counts, and what was deleted does not."""

from datetime import date, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from access_world import DELETED
from operational_rows import Rows

from infra.database import Server
from tests.clocks import CLOCKS_CHANGE
from tests.integration.live_twins import TWINS, evaluate, load, save

THAT_DAY = 'answers.count(1d, form="pain", question="score") > 0'
TWO_DAYS = 'answers.count(2d, form="pain", question="score") > 0'
DAY_BEFORE = 'answers.days_since_last(form="pain", question="score") = 1'
DAY = date(2024, 3, 31)


def members(admin: psycopg.Connection, clinic: str, slug: str) -> set[UUID]:
    query = "select patient_id from clinic_{0}.segment_member inner join clinic_{0}.segment using (segment_id)"
    rows = admin.execute(query.format(clinic) + " where left_at is null and slug = %s", [slug])
    return {patient for (patient,) in rows.fetchall()}


def clinics_day(clinic: str, instant: str, in_berlin: date) -> date:
    """North is in Berlin, south in Sao Paulo, three hours behind Greenwich in every season."""
    return in_berlin if clinic == "north" else (datetime.fromisoformat(instant) - timedelta(hours=3)).date()


@pytest.mark.parametrize("clinic", TWINS)
def test_an_answer_counts_on_the_clinics_day_on_both_sides_of_midnight_where_the_clocks_change(
    server: Server, admin: psycopg.Connection, clinic: str
) -> None:
    rows, given = Rows(admin), dict[UUID, date]()
    for instant, in_berlin in CLOCKS_CHANGE:
        given[patient := rows.patient(clinic)] = clinics_day(clinic, instant, in_berlin)
        rows.form(clinic, patient, datetime.fromisoformat(instant))
    save(server, {"that-day": THAT_DAY, "two-days": TWO_DAYS, "day-before": DAY_BEFORE}, (clinic,))
    load(server, clinic)
    for day in sorted({*given.values(), *(day + timedelta(days=1) for day in given.values())}):
        evaluate(server, clinic, day)
        on, before = ({who for who, of in given.items() if of == day - timedelta(days=ago)} for ago in (0, 1))
        assert members(admin, clinic, "that-day") == on, day
        assert members(admin, clinic, "two-days") == on | before, day
        assert members(admin, clinic, "day-before") == before, day


@pytest.mark.check(34)
@pytest.mark.parametrize("table", ["form_answer", "form", "appointment"])
def test_who_is_a_member_by_what_is_deleted_is_none_any_more(
    server: Server, admin: psycopg.Connection, table: str
) -> None:
    rows, found = Rows(admin), dict[str, UUID]()
    save(server, {"answered": THAT_DAY, "seen": "appointments.count(1d) > 0"})
    for clinic in TWINS:
        found[clinic] = patient = rows.patient(clinic)
        rows.form(clinic, patient, datetime.fromisoformat("2024-03-31T12:00:00Z"))
        rows.appointment(clinic, patient, DAY)
        load(server, clinic)
        evaluate(server, clinic, DAY)
    admin.execute(f"update operational.{table} set {DELETED} where patient_id = %s", [found["north"]])
    left = "seen" if table == "appointment" else "answered"
    for clinic in TWINS:
        load(server, clinic)
        evaluate(server, clinic, DAY)
        for slug in ("answered", "seen"):
            gone = (clinic, slug) == ("north", left)
            assert members(admin, clinic, slug) == (set() if gone else {found[clinic]}), (clinic, slug)
