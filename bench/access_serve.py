"""The application as it is served, with one more route: the bare SELECT of a profile, on the same pool.

Usage: python -m bench.access_serve <json: admin, prefix, secrets, clinic_id, fd>
"""

import json
import socket
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import uvicorn
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from pydantic_core import to_json

from api.app import ROUTERS, create_app
from api.limits import Rates
from api.profiles.routes import router as profiles
from api.services import ApiCaller
from infra import log
from infra.database import Server
from infra.roles import RoleNames
from policies.classification import ProfileField

COLUMNS = ", ".join(f"q.{field}" for field in ProfileField if field not in ("patient_id", "name"))
SELECT = f"""
select r.patient_id, p.name, {COLUMNS}
from operational.registration as r
inner join operational.person as p on p.person_id = r.person_id
left join operational.profile as q on q.person_id = r.person_id
where r.clinic_id = %s and r.patient_id = %s"""


async def select(request: Request, patient: str) -> Response:
    """Select and answer: no decision, no record, no decryption."""
    async with request.app.state.services.pool.connection() as connection:
        found = await connection.execute(SELECT, [request.app.state.clinic_id, UUID(patient)])
        row = await found.fetchone()
    return Response(to_json(row, bytes_mode="base64"), media_type="application/json")


async def select_authenticated(request: Request, _caller: ApiCaller, patient: str) -> Response:
    """The same for a caller whose token was verified."""
    return await select(request, patient)


def make(given: dict[str, Any]) -> FastAPI:
    unlimited = Rates(principal=0, address=0, sign_ins=0)
    bare = APIRouter()
    bare.add_api_route("/bare/{patient}", select)
    bare.add_api_route("/authenticated/{patient}", select_authenticated)
    # Beside the route that they are compared with, so that all three are found as soon.
    beside = ROUTERS.index(profiles)
    with patch("api.app.ROUTERS", (*ROUTERS[:beside], bare, *ROUTERS[beside:])):
        app = create_app(Server(given["admin"], RoleNames(given["prefix"]), Path(given["secrets"])), unlimited)
    app.state.clinic_id = given["clinic_id"]
    # The bare statement sees rows through row-level security without setting anything itself.
    app.state.services.pool.kwargs["options"] += f" -c cloister.clinic_id={given['clinic_id']}"
    return app


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    log.configure()
    # As a TCP socket: `fd=` takes it for a UNIX one, and small writes then wait for acknowledgements.
    own = socket.socket(fileno=given["fd"])
    uvicorn.Server(uvicorn.Config(make(given), log_config=None, access_log=False)).run([own])
