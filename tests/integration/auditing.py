"""A log with something to find, and the auditors who look for it."""

from typing import Any
from uuid import UUID, uuid4

import access_world
import pytest
from access_world import FINCH, Api, World
from impersonating import act_as

from infra.database import connect_admin


@pytest.fixture(scope="module", autouse=True)
def accesses(world: World, api: Api) -> dict[str, Any]:
    """What there is to find: reads of members, a profile, denials, an impersonation, a batch, an old night."""
    manager, specialist = (access_world.sign_in(api, f"{who}.north") for who in ("manager", "specialist"))
    finch = world.patients["north", FINCH]
    api.get("/v1/clinics/north/segments/everybody/members", headers=manager)
    api.get("/v1/clinics/south/segments/everybody/members", headers=manager)
    api.get(f"/v1/clinics/north/patients/{finch}/profile", headers=specialist)
    for clinic in ("north", "south"):
        api.get(f"/v1/clinics/{clinic}/services", headers=access_world.sign_in(api, "finch"))
    impersonation, acting = act_as(api, "finch")
    api.get("/v1/me/profile", headers=acting)
    return {"impersonation": impersonation, "batch": _batch(world, "north", finch)}


def _batch(world: World, clinic: str, patient: UUID) -> UUID:
    """What an ingest would have left."""
    event, clinic_id = uuid4(), world.clinic_ids[clinic]
    with connect_admin(world.server) as admin:
        admin.execute(
            "insert into audit.access_event (event_id, occurred_at, principal_kind, role, action, resource_type,"
            " clinic_id, decision, policies, patients, batch_id)"
            " values (%s, statement_timestamp(), 'process', 'pipeline', 'pipeline.ingest', 'patients', %s, 'permit',"
            " '{}', 1, %s)",
            [event, clinic_id, uuid4()],
        )
        admin.execute(
            "insert into audit.batch_patient (event_id, occurred_at, clinic_id, patient_id, asset)"
            " select event_id, occurred_at, clinic_id, %s, 'patients' from audit.access_event where event_id = %s",
            [patient, event],
        )
    return event


@pytest.fixture(scope="module")
def auditors(world: World, api: Api) -> dict[str, dict[str, str]]:
    return {login: access_world.sign_in(api, login) for login in ("auditor", "auditor.north")}


def found(api: Api, headers: dict[str, str], **query: Any) -> list[dict[str, Any]]:
    answer = api.get("/v1/audit/events", headers=headers, params={"limit": 1000, **query})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["events"])
