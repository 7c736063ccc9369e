"""The ingest says of whom it changed something, and why, in the transaction that changes it."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from access_world import DELETED
from operational_rows import Rows

from infra.database import Server
from orchestration.contracts import Contract
from orchestration.ingest.load import ingest
from orchestration.ingest.sources import Asset


@pytest.fixture
def rows(admin: psycopg.Connection) -> Rows:
    return Rows(admin)


def noted(server: Server, rows: Rows, clinic: str = "north") -> set[tuple[UUID | None, str]]:
    """What the loads of everything note, once taken as an evaluation takes it."""
    for asset in Asset:
        ingest(server, clinic, asset, uuid4())
    return {(row[0], row[1]) for row in taken(rows, clinic)}


def taken(rows: Rows, clinic: str = "north") -> list[tuple[UUID | None, str]]:
    query = f"delete from clinic_{clinic}.changed_patient returning patient_id, cause"
    return rows.admin.execute(query).fetchall()


def test_each_change_is_noted_with_its_cause(server: Server, rows: Rows) -> None:
    patients = [rows.patient("north", consent=number < 3) for number in range(5)]
    appointment, form = rows.appointment("north", patients[0], date(2024, 1, 1)), rows.form("north", patients[1])
    # The load that fills the clinic takes one note for all of them.
    assert noted(server, rows) == {(None, "data")}
    assert noted(server, rows) == set()
    rows.admin.execute(f"update operational.appointment set {DELETED} where appointment_id = %s", [appointment])
    rows.admin.execute("alter table operational.form disable trigger touch")
    rows.admin.execute("update operational.form set expires_on = current_date - 2 where form_id = %s", [form])
    rows.consent("north", rows.person_of(patients[2]), "revoked")
    rows.consent("north", rows.person_of(patients[3]))
    rows.admin.execute(
        "update operational.person set name = name || ' Zyxcanary' where person_id = %s", [rows.person_of(patients[4])]
    )
    new = rows.patient("north")
    assert noted(server, rows) == {
        (patients[0], "correction"), (patients[1], "time"), (patients[2], "consent"), (patients[3], "consent"),
        (patients[4], "data"), (new, "data"),
    }  # fmt: skip
    # A table that was empty in a clinic that was not: those with a row.
    rows.plan("north", patients[4], [date(2024, 1, 1), date(2024, 1, 2)])
    assert noted(server, rows) == {(patients[4], "data")}
    rows.admin.execute(f"update operational.registration set {DELETED} where patient_id = %s", [patients[4]])
    assert noted(server, rows) == {(patients[4], "correction")}
    assert taken(rows, "south") == []


def test_a_consent_that_runs_out_is_noted_as_consent(server: Server, rows: Rows) -> None:
    patient = rows.patient("north", consent=False)
    rows.consent("north", rows.person_of(patient), expires=datetime.now(UTC) + timedelta(hours=1))
    noted(server, rows)
    rows.admin.execute("alter table operational.consent disable trigger all")
    rows.admin.execute("update operational.consent set expires_at = now() - interval '1 second'")
    assert noted(server, rows) == {(patient, "consent")}


def test_a_revocation_between_read_and_write_is_noted(
    server: Server, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = rows.patient("north")
    noted(server, rows)
    rows.admin.execute("update operational.person set version = version")
    check = Contract.check

    def revoke_then_check(self: Contract, frame: object) -> None:
        rows.consent("north", rows.person_of(patient), "revoked")
        check(self, frame)  # type: ignore[arg-type]

    monkeypatch.setattr(Contract, "check", revoke_then_check)
    ingest(server, "north", Asset.PATIENTS, uuid4())
    assert set(taken(rows)) == {(patient, "data"), (patient, "consent")}


def test_notes_stand_or_fall_with_the_load(server: Server, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    rows.patient("north")
    monkeypatch.setattr("orchestration.ingest.load._record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        ingest(server, "north", Asset.PATIENTS, uuid4())
    assert taken(rows) == []
