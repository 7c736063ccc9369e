"""FHIR R4, read alone: segments as groups, patients, whether consents stand, the access log.

The CapabilityStatement describes these routes, and no OpenAPI document.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response
from pydantic_core import to_json

from api.cursors import LONGEST
from api.fhir import service
from api.fhir.capability import statement
from api.fhir.outcomes import MEDIA_TYPE
from api.fhir.searching import filters
from api.guard import check_names
from api.negotiation import chosen
from api.problems import NotAcceptable
from api.services import ApiCaller, Serving

_JSON = "application/json"
_FORMATS = ("json", _JSON, MEDIA_TYPE)
_LONGEST_TEXT = 400


class Fhir(Response):
    """A resource."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """JSON in UTF-8."""
        return to_json(content)


async def in_json(
    accept: Annotated[str, Header(max_length=2_000)] = "",
    named: Annotated[str | None, Query(alias="_format", max_length=60)] = None,
) -> None:
    """A dependency: the request takes JSON.

    Raises:
        NotAcceptable: it does not.
    """
    if named is None:
        chosen(accept, (MEDIA_TYPE, _JSON))
    # A plus that was sent as such is a space in a query.
    elif named.replace(" ", "+") not in _FORMATS:
        raise NotAcceptable("no such format", place="query._format", rule="not_offered", detail=", ".join(_FORMATS))


def taking(*names: str) -> Any:
    """A dependency: the query has no other parameters, and none but dates, of which in FHIR all hold, more than once.

    Raises:
        InvalidInput: it has.
    """

    async def check(request: Request) -> None:
        asked = [name for name, _ in request.query_params.multi_items()]
        check_names([name for name in asked if name != "date" or name not in names], {"_format", "clinic", *names})

    return Depends(check)


router = APIRouter(tags=["fhir"], dependencies=[Depends(in_json)], default_response_class=Fhir, include_in_schema=False)
Clinic = Annotated[str | None, Query(max_length=_LONGEST_TEXT)]
Text = Annotated[str | None, Query(max_length=_LONGEST_TEXT)]


@router.get("/metadata")
async def read_metadata() -> Fhir:
    """What there is."""
    return Fhir(statement(service.base()))


@router.get("/Group", dependencies=[taking()])
async def search_groups(serving: Serving, caller: ApiCaller, clinic: Clinic = None) -> Fhir:
    """The clinic's segments, with their sizes."""
    return Fhir(await service.search_groups(serving, caller, clinic))


@router.get("/Group/{segment}", dependencies=[taking()])
async def read_group(serving: Serving, caller: ApiCaller, segment: str, clinic: Clinic = None) -> Fhir:
    """A segment's members of now. Each is recorded."""
    return Fhir(await service.read_group(serving, caller, clinic, segment))


@router.get("/Patient/{patient}", dependencies=[taking()])
async def read_patient(serving: Serving, caller: ApiCaller, patient: str, clinic: Clinic = None) -> Fhir:
    """A patient: the name; the rest while the profile is shared. The read is recorded."""
    return Fhir(await service.read_patient(serving, caller, clinic, patient))


@router.get("/Consent", dependencies=[taking("patient")])
async def search_consents(
    serving: Serving,
    caller: ApiCaller,
    patient: Annotated[str, Query(max_length=_LONGEST_TEXT)],
    clinic: Clinic = None,
) -> Fhir:
    """Whether a patient's consents stand."""
    return Fhir(await service.search_consents(serving, caller, clinic, patient))


@router.get("/Consent/{consent}", dependencies=[taking()])
async def read_consent(serving: Serving, caller: ApiCaller, consent: str, clinic: Clinic = None) -> Fhir:
    """Whether one consent of a patient stands."""
    return Fhir(await service.read_consent(serving, caller, clinic, consent))


@router.get(
    "/AuditEvent",
    dependencies=[taking("patient", "agent:identifier", "date", "outcome", "subtype", "_count", "cursor")],
)
async def search_audit_events(
    request: Request,
    serving: Serving,
    caller: ApiCaller,
    patient: Text = None,
    agent: Annotated[str | None, Query(alias="agent:identifier", max_length=_LONGEST_TEXT)] = None,
    date: Annotated[list[str] | None, Query(max_length=4)] = None,
    outcome: Text = None,
    subtype: Text = None,
    count: Annotated[int, Query(alias="_count", ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=LONGEST)] = None,
    clinic: Clinic = None,
) -> Fhir:
    """Access events, newest first. The search is itself an event."""
    found = filters(patient=patient, agent=agent, subtype=subtype, outcome=outcome, dates=date or ())
    asked = request.query_params.multi_items()
    return Fhir(await service.search_audit_events(serving, caller, clinic, found, count, cursor, asked))


@router.get("/AuditEvent/{event}", dependencies=[taking()])
async def read_audit_event(serving: Serving, caller: ApiCaller, event: str, clinic: Clinic = None) -> Fhir:
    """One access event, by its id. The read is itself an event."""
    return Fhir(await service.read_audit_event(serving, caller, clinic, event))
