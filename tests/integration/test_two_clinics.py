"""Two clinics whose patient ids collide: they stay different people, and nothing of one shows at the other."""

from datetime import date
from pathlib import Path

import psycopg
import pytest

from infra.database import Server, clinic_transaction, connect, set_context
from infra.provisioner import Clinic, add_clinics
from infra.roles import ClinicKind, Login
from tests.integration.importing import bring, evaluate

SHARED_IDS = 5036 - 1  # less the header
APPOINTMENTS = {"clinic_a": 13_631, "clinic_b": 10_160}


@pytest.fixture(scope="module")
def both(module_server: Server, data: Path) -> Server:
    folder = data / "two_clinics"
    add_clinics(module_server, [Clinic("clinic_a", "A"), Clinic("clinic_b", "B")], requested_by="tests")
    for slug in ("clinic_a", "clinic_b"):
        files = folder / slug / "patients.csv.gz", folder / slug / "appointments.csv.gz"
        bring(module_server, "two_clinics.mapping.yml", *files, clinic=slug)
    evaluate(module_server, "noshow.rules.json", date(2024, 6, 30), ["clinic_a", "clinic_b"])
    return module_server


def test_colliding_ids_stay_different_people(both: Server) -> None:
    with connect(Login.PIPELINE, at=both) as connection:
        seen = {}
        for slug in ("clinic_a", "clinic_b"):
            with clinic_transaction(connection, both.roles, slug, ClinicKind.BUILDER):
                seen[slug] = {
                    external: (patient, name)
                    for external, patient, name in connection.execute(
                        "select external_id, patient_id, name from raw_patients"
                    )
                }
    shared = seen["clinic_a"].keys() & seen["clinic_b"].keys()
    assert len(shared) > 4000
    assert not {p for p, _ in seen["clinic_a"].values()} & {p for p, _ in seen["clinic_b"].values()}
    different = [number for number in shared if seen["clinic_a"][number][1] != seen["clinic_b"][number][1]]
    assert len(different) > len(shared) * 0.9


@pytest.mark.check(46)
def test_each_mart_holds_its_own_appointments_alone(both: Server, data: Path) -> None:
    with connect(Login.PIPELINE, at=both) as connection:
        for slug, count in APPOINTMENTS.items():
            with clinic_transaction(connection, both.roles, slug, ClinicKind.BUILDER):
                assert connection.execute("select count(*) from raw_appointments").fetchone() == (count,)


@pytest.mark.check(1)
@pytest.mark.parametrize("kind", [ClinicKind.BUILDER, ClinicKind.READER])
def test_nothing_of_b_is_visible_under_as_roles(both: Server, kind: ClinicKind) -> None:
    login = Login.PIPELINE if kind is ClinicKind.BUILDER else Login.SERVICE
    with connect(login, at=both) as connection:
        with clinic_transaction(connection, both.roles, "clinic_a", kind):
            for statement in (
                "select distinct clinic_id from operational.registration",
                "select distinct clinic_id from operational.appointment",
                "select distinct clinic_id from operational.consent_event",
                "select distinct clinic_id from operational.clinic",
            ):
                assert _seen(connection, statement) <= {_clinic_id(both, "clinic_a")}, statement
        for statement in (
            "select 1 from clinic_clinic_b.raw_patients",
            "select 1 from clinic_clinic_b.segment_member",
            "insert into clinic_clinic_b.segment_member select * from segment_member",
        ):
            with (
                pytest.raises(psycopg.errors.InsufficientPrivilege),
                clinic_transaction(connection, both.roles, "clinic_a", kind),
            ):
                connection.execute(statement)  # type: ignore[call-overload]


@pytest.mark.check(2)
@pytest.mark.parametrize("login", [Login.SERVICE, Login.IMPORTER])
def test_without_a_clinic_there_is_nothing(both: Server, login: Login) -> None:
    with connect(login, at=both) as connection, connection.transaction():
        set_context(connection)
        for table in ("registration", "appointment", "consent", "consent_event", "form", "adherence"):
            count = connection.execute(f"select count(*) from operational.{table}").fetchone()  # type: ignore[call-overload]
            assert count == (0,), table


def _seen(connection: psycopg.Connection, statement: str) -> set[int]:
    """Clinic ids that a statement shows; a refusal shows none."""
    try:
        with connection.transaction():
            return {row[0] for row in connection.execute(statement)}  # type: ignore[call-overload]
    except psycopg.errors.InsufficientPrivilege:
        return set()


def _clinic_id(server: Server, slug: str) -> int:
    with connect(Login.SERVICE, at=server) as connection:
        row = connection.execute("select clinic_id from operational.clinic where slug = %s", [slug]).fetchone()
        assert row
        return int(row[0])
