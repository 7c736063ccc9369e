"""What is asked in FHIR, asked of the services that other routes ask, and said in FHIR."""

from typing import Any
from urllib.parse import urlencode

from api.audit import service as audit
from api.audit.fhir import audit_event
from api.audit.schemas import Filters
from api.consents import service as consents
from api.fhir import resources
from api.fhir.searching import patient_id
from api.gateway import Caller
from api.identity.principals import Principal
from api.profiles import service as profiles
from api.segments import service as segments
from api.services import Services
from infra.errors import InvalidInput, NotThere
from infra.settings import settings
from policies.words import ConsentPurpose

MOST_MEMBERS = 1000
Resource = dict[str, Any]


def base() -> str:
    """Where FHIR is reached."""
    return f"{settings().issuer}/fhir"


async def read_group(serving: Services, caller: Caller, clinic: str | None, segment: str) -> Resource:
    """The members of a segment now.

    Raises:
        NotThere: no such segment, not the caller's, or one whose slug is no id of FHIR's.
        Refused: it has more than `MOST_MEMBERS` members.
    """
    of = clinic_of(caller.principal, clinic)
    if len(segment) > resources.LONGEST_ID:
        async with serving.gateway.open(caller, segments.listing(caller.principal, of, segment, ())):
            raise NotThere("no id of FHIR's")
    page = await segments.list_members(
        serving, caller, of, segment, MOST_MEMBERS, None, among=segments.BY_NAME, whole=True
    )
    return resources.group(page.segment, of or "", page.members)


async def search_groups(serving: Services, caller: Caller, clinic: str | None) -> Resource:
    """A clinic's segments with their sizes.

    Raises:
        NotThere: no such clinic, or not the caller's.
    """
    found = await segments.list_segments(serving, caller, clinic_of(caller.principal, clinic))
    groups = [resources.group_without_members(each, found.clinic.slug) for each in found.segments]
    return resources.searchset(base(), groups, {"self": _link("Group", clinic=clinic)})


async def read_patient(serving: Services, caller: Caller, clinic: str | None, patient: str) -> Resource:
    """A patient, as far as the caller may see them.

    Raises:
        NotThere: no such patient, or not the caller's to see.
    """
    of = clinic_of(caller.principal, clinic)
    found = await profiles.read_profile(serving, caller, of, patient, among=resources.PATIENT_FIELDS)
    return resources.patient(found, of or "")


async def read_consent(serving: Services, caller: Caller, clinic: str | None, consent: str) -> Resource:
    """Whether one consent of a patient stands.

    Raises:
        NotThere: no such consent, or not the caller's to ask for.
    """
    named = resources.consent_named(consent)
    found = await _consents(serving, caller, clinic, named[0] if named else "")
    if named is None:
        raise NotThere("no consent of anybody")
    return found[named[1]]


async def search_consents(serving: Services, caller: Caller, clinic: str | None, patient: str) -> Resource:
    """Whether each consent of a patient stands.

    Raises:
        NotThere: no such patient, or not the caller's to ask for.
        InvalidInput: no id of a patient.
    """
    named = str(patient_id(patient, "query.patient"))
    found = await _consents(serving, caller, clinic, named)
    return resources.searchset(base(), found.values(), {"self": _link("Consent", patient=named, clinic=clinic)})


async def search_audit_events(
    serving: Services,
    caller: Caller,
    clinic: str | None,
    filters: Filters,
    limit: int,
    cursor: str | None,
    asked: list[tuple[str, str]],
) -> Resource:
    """A page of the access log, newest first; `asked` is the query as it was sent.

    Raises:
        NotThere: not the caller's log, or no such clinic; the cursor is none of this search.
    """
    events, following = await audit.search_with_patients(serving, caller, clinic, filters, limit, cursor)
    others = [(name, value) for name, value in asked if name != "cursor"]
    links = {"self": _url("AuditEvent", asked)}
    if following:
        links["next"] = _url("AuditEvent", [*others, ("cursor", following)])
    return resources.searchset(base(), map(audit_event, events), links)


async def read_audit_event(serving: Services, caller: Caller, clinic: str | None, event: str) -> Resource:
    """One event of the access log; reading it is an event as well.

    Raises:
        NotThere: no such event, or not in a log of the caller's.
    """
    return audit_event(await audit.read_event(serving, caller, clinic, profiles.as_id(event)))


def clinic_of(principal: Principal, named: str | None) -> str | None:
    """The clinic that is named, or the one that the caller is of; None where there is none, which is nobody's.

    Raises:
        InvalidInput: the caller is of several and named none.
    """
    if named is not None:
        return named
    if principal.key is not None:
        return principal.key.clinic
    of = sorted({clinic for _, clinic in principal.roles if clinic is not None})
    if len(of) > 1:
        raise InvalidInput("of which clinic", place="query.clinic", rule="missing", detail="Name one of your clinics.")
    return of[0] if of else None


async def _consents(
    serving: Services, caller: Caller, clinic: str | None, patient: str
) -> dict[ConsentPurpose, Resource]:
    of = clinic_of(caller.principal, clinic)
    found = await consents.check(serving, caller, of, patient)
    known = profiles.as_id(patient)
    if known is None:
        raise NotThere("no such patient")
    return {
        each.purpose: resources.consent(known, of or "", each.purpose, stands=each.stands) for each in found.consents
    }


def _link(kind: str, **query: str | None) -> str:
    return _url(kind, [(name, value) for name, value in query.items() if value is not None])


def _url(kind: str, query: list[tuple[str, str]]) -> str:
    return f"{base()}/{kind}?{urlencode(query)}" if query else f"{base()}/{kind}"
