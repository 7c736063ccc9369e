"""What people may ask about themselves and those they are guardians of."""

from collections.abc import Iterable
from typing import Any

from api.entity_tags import of_shown
from api.gateway import Access, Caller
from api.me import repository
from api.me.schemas import Dependent, Dependents, OwnImpersonation, OwnImpersonations, PersonAccess, PersonAccesses
from api.profiles.columns import shown
from api.profiles.service import as_id
from api.services import Services
from infra.errors import NotThere
from policies.access.model import DEPENDENT, Resource
from policies.classification import ASSET_CATEGORIES, ENTERED_CONTACTS, ProfileField, is_contact
from policies.words import Action, ProcessAction

OWN = tuple(field for field in ProfileField if field is not ProfileField.PATIENT_ID)


async def read_profile(serving: Services, caller: Caller, dependent: str | None = None) -> tuple[dict[str, Any], str]:
    """The caller's own profile, or a dependent's, and its version as an entity tag.

    Raises:
        NotThere: the caller is no patient; no such dependent, or not the caller's today.
    """
    acting = caller.principal.acting is not None  # contacts are for nobody else
    fields = tuple(field for field in OWN if not (acting and is_contact(field)))
    access = Access(Action.PERSON_READ, person_of(caller, dependent), named(fields, dependent))
    grant = await serving.gateway.person(caller, access)
    row = await repository.profile(grant, as_id(dependent or ""), fields, own=dependent is None)
    found = shown(row, fields, serving.codec, author=author_of(caller, dependent))
    return found, of_shown(serving.digests, found)


async def list_dependents(serving: Services, caller: Caller) -> Dependents:
    """Whom the caller is a guardian of today.

    Raises:
        NotThere: the caller is no guardian.
    """
    access = Access(Action.DEPENDENT_LIST, person_of(caller, None), frozenset({ProfileField.NAME.value}))
    async with serving.gateway.open(caller, access) as grant:
        rows = await repository.dependents(grant)
    return Dependents(dependents=[Dependent.model_validate(row) for row in rows])


async def list_impersonations(serving: Services, caller: Caller) -> OwnImpersonations:
    """When and why an admin acted as the caller.

    Raises:
        NotThere: the caller is neither patient nor guardian.
    """
    async with serving.gateway.open(caller, Access(Action.IMPERSONATION_REVIEW, person_of(caller, None))) as grant:
        rows = await repository.impersonations(grant)
    return OwnImpersonations(impersonations=[OwnImpersonation(**row) for row in rows])


async def list_accesses(
    serving: Services, caller: Caller, limit: int, cursor: str | None, dependent: str | None = None
) -> PersonAccesses:
    """A page of who read the caller, or a dependent.

    Raises:
        NotThere: the caller is no patient; no such dependent, or not the caller's today; a foreign cursor.
    """
    bound_to = ("accesses", dependent, caller.principal.principal_id)
    access = Access(Action.ACCESS_LIST, person_of(caller, dependent))
    try:
        before = serving.cursors.open_event(cursor, *bound_to) if cursor else None
    except NotThere:
        await serving.gateway.refuse(caller, access)
    grant = await serving.gateway.person(caller, access)
    rows = await repository.accesses(grant, as_id(dependent or ""), before, limit, own=dependent is None)
    slugs = {clinic.clinic_id: clinic.slug for clinic in await serving.directory.clinics()}
    return PersonAccesses(
        accesses=[_access(row, slugs) for row in rows[:limit]],
        next=serving.cursors.seal_event(rows[limit - 1], *bound_to) if len(rows) > limit else None,
    )


def _access(row: dict[str, Any], slugs: dict[int, str]) -> PersonAccess:
    clinic = slugs.get(row["clinic_id"])
    if row["action"] == ProcessAction.INGEST:  # of a day, with what was read instead of its categories
        row = row | {
            "categories": sorted({c for asset in row["categories"] for c in ASSET_CATEGORIES[asset]}),
            "organisation": clinic,
        }
    return PersonAccess(**row, clinic=clinic)


def named(fields: Iterable[str], dependent: str | None) -> frozenset[str]:
    """Fields of a profile as the policies know them: of a dependent's emergency contacts those that one entered."""
    entered = {} if dependent is None else {ProfileField.EMERGENCY_CONTACTS.value: ENTERED_CONTACTS}
    return frozenset(entered.get(field, field) for field in fields)


def author_of(caller: Caller, dependent: str | None) -> str | None:
    """Whose emergency contacts of a dependent the caller has: their own, by the id of the person; of oneself all."""
    return None if dependent is None else str(caller.principal.person_id or "")


def person_of(caller: Caller, dependent: str | None) -> Resource:
    """The caller as what is asked for, or a dependent of theirs."""
    own = caller.principal.person_id
    return Resource(person=DEPENDENT if dependent is not None else str(own or ""))
