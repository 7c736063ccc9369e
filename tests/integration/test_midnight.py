"""Midnight comes to each clinic by its own clock, and brings what time alone has changed."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from operational_rows import Rows

from infra.database import Server, clinic_transaction, connect, connect_admin, lock_clinic
from infra.roles import ClinicKind, Login
from orchestration.live.midnight import pass_midnight
from tests.integration.live_twins import bring, load


def passed(server: Server, clinic: str, now: datetime) -> int | None:
    with (
        connect(Login.PIPELINE, at=server) as connection,
        clinic_transaction(connection, server.roles, clinic, ClinicKind.BUILDER),
    ):
        lock_clinic(connection, clinic)
        return pass_midnight(connection, clinic, now)


def day_of(admin: psycopg.Connection, clinic: str) -> date | None:
    row = admin.execute(f"select as_of from clinic_{clinic}.segment_clock").fetchone()
    assert row
    day: date | None = row[0]
    return day


def set_day(admin: psycopg.Connection, clinic: str, day: date | None) -> None:
    admin.execute(f"update clinic_{clinic}.segment_clock set as_of = %s, flips_known = true", [day])


# In Berlin and Sao Paulo: the day before, an instant, and the day after it, if another has begun.
MIDNIGHTS = [
    ("north", "2024-03-30", "2024-03-30T22:59:59Z", None),
    ("north", "2024-03-30", "2024-03-30T23:00Z", "2024-03-31"),
    # The day of 23 hours, and that of 25.
    ("north", "2024-03-31", "2024-03-31T21:59:59Z", None),
    ("north", "2024-03-31", "2024-03-31T22:00Z", "2024-04-01"),
    ("north", "2024-10-27", "2024-10-27T22:59:59Z", None),
    ("north", "2024-10-27", "2024-10-27T23:00Z", "2024-10-28"),
    # Summer time began at midnight there, which was one o'clock; and as it ended, an hour before midnight came twice.
    ("south", "2018-11-03", "2018-11-04T02:59:59Z", None),
    ("south", "2018-11-03", "2018-11-04T03:00Z", "2018-11-04"),
    ("south", "2018-02-17", "2018-02-18T02:30Z", None),
    ("south", "2018-02-17", "2018-02-18T03:00Z", "2018-02-18"),
    # Of several that were missed the last one counts.
    ("north", "2024-02-10", "2024-06-30T12:00Z", "2024-06-30"),
    ("south", "2024-06-30", "2024-07-01T01:00Z", None),
    # Evaluated for a day ahead, or never.
    ("north", "2024-07-01", "2024-06-30T12:00Z", None),
    ("north", None, "2024-06-30T12:00Z", None),
]


def test_a_day_begins_at_the_clinics_own_midnight(module_server: Server) -> None:
    with connect_admin(module_server) as admin:
        for clinic, before, now, after in MIDNIGHTS:
            set_day(admin, clinic, date.fromisoformat(before) if before else None)
            began = passed(module_server, clinic, datetime.fromisoformat(now))
            assert (began is not None) is (after is not None), now
            assert str(day_of(admin, clinic)) == (after or str(before)), now
            assert passed(module_server, clinic, datetime.fromisoformat(now)) is None
        # A clock that is ahead of the database's begins no day: rows are copied by the database's.
        today = datetime.now(UTC)
        set_day(admin, "north", today.date() + timedelta(days=2))
        assert passed(module_server, "north", today + timedelta(days=9)) is None


def test_what_time_changes_waits_from_midnight_on(server: Server, admin: psycopg.Connection) -> None:
    rows = Rows(admin)
    expiring, ending, starting, due, later, _ = [rows.patient("north", consent=number < 1) for number in range(6)]
    elsewhere = rows.patient("south")
    forms = [rows.form(clinic, patient) for clinic, patient in (("north", expiring), ("south", elsewhere))]
    rows.consent("north", rows.person_of(ending), expires=datetime.now(UTC) + timedelta(hours=1))
    rows.consent("north", rows.person_of(starting), at=datetime.now(UTC) + timedelta(minutes=4))
    for clinic in ("north", "south"):
        load(server, clinic)
    # As time does, without a trigger.
    admin.execute("alter table operational.form disable trigger user")
    admin.execute("alter table operational.consent disable trigger user")
    admin.execute("update operational.form set expires_on = current_date - 2 where form_id = any(%s)", [forms])
    hour = "interval '61 minutes'"
    admin.execute(
        f"update operational.consent set expires_at = expires_at - {hour}, occurred_at = occurred_at - {hour}"
    )
    admin.execute(f"update clinic_north.raw_patients set profile_until = profile_until - {hour}")
    for clinic, patients in (("north", [due, later]), ("south", [elsewhere])):
        admin.execute(f"delete from clinic_{clinic}.changed_patient")
        set_day(admin, clinic, date(2024, 5, 30))
        for number, patient in enumerate(patients):
            flips_on = date(2024, 5, 31) + timedelta(days=number)
            admin.execute(f"insert into clinic_{clinic}.patient_flip values (%s, %s)", [patient, flips_on])
    noon = datetime(2024, 5, 31, 12, tzinfo=UTC)
    assert passed(server, "north", noon) == 3
    assert noted(admin) == {(due, "time")}
    set_day(admin, "north", date(2024, 5, 30))
    assert passed(server, "north", datetime.now(UTC)) == 4
    assert noted(admin) == {(due, "time"), (later, "time")}
    waiting = admin.execute("select entity, patient_id from operational.outbox").fetchall()
    assert set(waiting) == {("form", expiring), ("patient", ending), ("patient", starting)}
    assert noted(admin, "south") == set() and day_of(admin, "south") == date(2024, 5, 30)
    # What the worker makes of it leaves an ingest and a full evaluation of that day nothing to do.
    bring(server, "north")
    assert noted(admin) == set() and load(server, "north") == 0
    set_day(admin, "north", date(2024, 5, 30))
    assert passed(server, "north", datetime.now(UTC)) == 0
    # Where flip days are not known, everybody is due.
    admin.execute("update clinic_north.segment_clock set as_of = '2024-05-30', flips_known = false")
    assert passed(server, "north", noon) == 6
    assert noted(admin) == {(row[0], "time") for row in rows.raw("north", columns="patient_id")}


def test_a_flip_day_which_tells_a_birthday_is_the_builders_alone(module_server: Server) -> None:
    query = "select flips_on from clinic_north.patient_flip"
    with connect(Login.PIPELINE, at=module_server) as connection:
        with clinic_transaction(connection, module_server.roles, "north", ClinicKind.BUILDER):
            connection.execute(query)
        with clinic_transaction(connection, module_server.roles, "south", ClinicKind.BUILDER):
            refused(connection, query)
    with connect(Login.SERVICE, at=module_server) as connection:
        refused(connection, query)
        with clinic_transaction(connection, module_server.roles, "north", ClinicKind.READER):
            refused(connection, query)


def refused(connection: psycopg.Connection, query: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
        connection.execute(query)


def noted(admin: psycopg.Connection, clinic: str = "north") -> set[tuple[UUID, str]]:
    """Who waits for an evaluation, and why."""
    return set(admin.execute(f"select patient_id, cause from clinic_{clinic}.changed_patient").fetchall())
