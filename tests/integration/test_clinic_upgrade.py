"""A clinic that was made before there were runs keeps every stay, in the order in which they were."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from infra.database import Server, connect_admin
from infra.migrations import runner
from infra.provisioner import set_up
from infra.roles import ClinicKind, Group

AGE, VISITS = UUID(int=1), UUID(int=2)
FIRST = Path(runner.FOLDER) / "clinic" / "versions" / "c0001_mart.sql"


def at(hour: int) -> datetime:
    return datetime(2024, 1, 1, hour, tzinfo=UTC)


def stay(patient: int, entered: int, left: int | None = None, segment: UUID = AGE) -> tuple[object, ...]:
    gone = None if left is None else at(left)
    return segment, UUID(int=patient), at(entered), gone, 1, "data", None if left is None else "data"


STAYS = [
    stay(1, 1, 3), stay(1, 3, 3), stay(1, 5), stay(2, 1), stay(3, 3, 5), stay(2, 2, segment=VISITS),
]  # fmt: skip


@pytest.fixture
def upgraded(server: Server, admin: psycopg.Connection) -> psycopg.Connection:
    """North as it was at c0001, with members, upgraded as `cloister migrate` does."""
    _first_revision(server, admin)
    for key, slug, rule in (
        (AGE, "old", {"not": {"any": [{"measure": "age", "op": "<", "value": 65}]}}),
        (VISITS, "seen", {"measure": "appointments.count", "op": ">", "value": 1}),
    ):
        admin.execute(
            "insert into segment (segment_id, slug, name, version, profile_dependent, created_at)"
            " values (%s, %s, 'S', 2, true, %s)",
            [key, slug, at(0)],
        )
        for version, saved in ((1, at(0)), (2, at(4))):
            admin.execute(
                "insert into segment_version (segment_id, version, rule, created_at) values (%s, %s, %s, %s)",
                [key, version, Jsonb(rule), saved],
            )
    for row in STAYS:
        admin.execute("insert into segment_member values (%s, %s, %s, %s, %s, %s, %s)", row)
    assert [revision for revision in set_up(server) if revision.startswith("c")][:1] == ["c0002"]
    return admin


def _first_revision(server: Server, admin: psycopg.Connection) -> None:
    named = {
        "builder": sql.Identifier(server.roles.clinic("north", ClinicKind.BUILDER)),
        "reader": sql.Identifier(server.roles.clinic("north", ClinicKind.READER)),
    }
    with connect_admin(server) as owner:
        owner.execute("drop schema clinic_north cascade")
        owner.execute(sql.SQL("set role {}").format(sql.Identifier(server.roles.of(Group.OWNER))))
        owner.execute("create schema clinic_north")
        owner.execute(sql.SQL("grant usage on schema clinic_north to {builder}, {reader}").format(**named))
        owner.execute("set search_path = clinic_north")
        owner.execute(sql.SQL(FIRST.read_text()).format(**named))
        owner.execute("create table schema_revision (version_num varchar(32) primary key)")
        owner.execute("insert into schema_revision values ('c0001')")
    admin.execute("set search_path = clinic_north")


def test_a_clinic_of_the_first_revision_loses_no_stay(upgraded: psycopg.Connection) -> None:
    kept = upgraded.execute(
        "select segment_id, patient_id, entered_at, left_at, version, entered_by, left_by from segment_member"
    ).fetchall()
    assert sorted(kept, key=str) == sorted(STAYS, key=str)
    # The feed tells of each patient what happened in the order in which it did, and asks nobody to act.
    told = upgraded.execute(
        "select patient_id, kind, at, fires from segment_change where segment_id = %s order by run, patient_id", [AGE]
    ).fetchall()
    assert [(patient.int, kind, when.hour) for patient, kind, when, _ in told] == [
        (1, "entered", 1), (2, "entered", 1), (1, "left", 3), (1, "entered", 3), (3, "entered", 3), (1, "left", 3),
        (3, "left", 5), (1, "entered", 5),
    ]  # fmt: skip
    assert not any(fires for *_, fires in told)
    # The next run comes after all of them.
    assert upgraded.execute("select at, run > (select max(run) from segment_change) from segment_clock").fetchall() == [
        (at(5), True)
    ]


def test_versions_and_stays_know_whether_they_depend_on_profiles(upgraded: psycopg.Connection) -> None:
    found = upgraded.execute("select distinct segment_id, profile_dependent, fires from segment_version").fetchall()
    assert set(found) == {(AGE, True, False), (VISITS, False, False)}
    assert set(upgraded.execute("select distinct segment_id, profile_dependent from segment_stay").fetchall()) == {
        (AGE, True),
        (VISITS, False),
    }
    versions = upgraded.execute("select patient_id, left_version from segment_member where left_at is not null")
    assert {(patient.int, version) for patient, version in versions} == {(1, 1), (3, 2)}
