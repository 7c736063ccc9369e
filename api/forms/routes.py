"""Forms: assigned and counted by staff, read by who treats, answered by patients and guardians."""

from typing import Annotated, TypeVar

from fastapi import APIRouter, Body, Header, Response

from api.forms import service
from api.forms.schemas import Answered, Assigned, Assigning, Completing, OwnForm, OwnStatuses, Saved, Saving, Statuses
from api.services import ApiCaller, Serving

router = APIRouter(tags=["forms"])
IfMatch = Annotated[str | None, Header(max_length=60, description="The ETag of the form as it was read, or none.")]
Tagged = TypeVar("Tagged", OwnForm, Saved)
_AT_CLINIC = "/clinics/{clinic}"
_OWN = "/me/forms"
_DEPENDENTS = "/me/dependents/{dependent}/forms"


@router.post(_AT_CLINIC + "/patients/{patient}/forms", status_code=201)
async def assign_forms(
    serving: Serving, caller: ApiCaller, clinic: str, patient: str, asked: Annotated[Assigning | None, Body()] = None
) -> Assigned:
    """Have a patient answer forms of the newest versions; none twice on one day."""
    return await service.assign(serving, caller, clinic, patient, asked)


@router.get(_AT_CLINIC + "/patients/{patient}/forms")
async def list_statuses(serving: Serving, caller: ApiCaller, clinic: str, patient: str) -> Statuses:
    """How far the forms of a patient are; no answer."""
    return await service.list_statuses(serving, caller, clinic, patient)


@router.get(_AT_CLINIC + "/forms/{form}")
async def read_form(serving: Serving, caller: ApiCaller, clinic: str, form: str) -> Answered:
    """A form of a patient whom the caller treats; its answers once it is completed."""
    return await service.read(serving, caller, clinic, form)


@router.get(_OWN)
async def list_own_forms(serving: Serving, caller: ApiCaller) -> OwnStatuses:
    """The caller's forms at all clinics."""
    return await service.list_own(serving, caller)


@router.get(_OWN + "/{form}")
async def read_own_form(serving: Serving, caller: ApiCaller, form: str, response: Response) -> OwnForm:
    """A form with its questions and the answers so far."""
    return _tagged(response, await service.read_own(serving, caller, form))


@router.put(_OWN + "/{form}/answers")
async def save_own_answers(
    serving: Serving,
    caller: ApiCaller,
    form: str,
    response: Response,
    asked: Annotated[Saving | None, Body()] = None,
    if_match: IfMatch = None,
) -> Saved:
    """Save the answers so far: all of them, in the place of those before."""
    return _tagged(response, await service.save(serving, caller, form, asked, None, if_match))


@router.post(_OWN + "/{form}/complete")
async def complete_own_form(
    serving: Serving,
    caller: ApiCaller,
    form: str,
    response: Response,
    asked: Annotated[Completing | None, Body()] = None,
    if_match: IfMatch = None,
) -> Saved:
    """Complete a form for good; completing a consent form signs the consent."""
    return _tagged(response, await service.complete(serving, caller, form, asked, None, if_match))


@router.get(_DEPENDENTS)
async def list_dependents_forms(serving: Serving, caller: ApiCaller, dependent: str) -> OwnStatuses:
    """A dependent's forms at all clinics, but what is hidden from guardians."""
    return await service.list_own(serving, caller, dependent)


@router.get(_DEPENDENTS + "/{form}")
async def read_dependents_form(
    serving: Serving, caller: ApiCaller, dependent: str, form: str, response: Response
) -> OwnForm:
    """A dependent's form with its questions and the answers so far."""
    return _tagged(response, await service.read_own(serving, caller, form, dependent))


@router.put(_DEPENDENTS + "/{form}/answers")
async def save_dependents_answers(
    serving: Serving,
    caller: ApiCaller,
    dependent: str,
    form: str,
    response: Response,
    asked: Annotated[Saving | None, Body()] = None,
    if_match: IfMatch = None,
) -> Saved:
    """Save the answers for a dependent so far."""
    return _tagged(response, await service.save(serving, caller, form, asked, dependent, if_match))


@router.post(_DEPENDENTS + "/{form}/complete")
async def complete_dependents_form(
    serving: Serving,
    caller: ApiCaller,
    dependent: str,
    form: str,
    response: Response,
    asked: Annotated[Completing | None, Body()] = None,
    if_match: IfMatch = None,
) -> Saved:
    """Complete a dependent's form for good; a consent is signed by the guardian on the dependent's behalf."""
    return _tagged(response, await service.complete(serving, caller, form, asked, dependent, if_match))


def _tagged(response: Response, found: Tagged) -> Tagged:
    response.headers["etag"] = found.version
    return found
