"""What a clinic's specialists and systems may ask about one patient."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from api.gateway import Access, Caller
from api.identity.principals import Principal
from api.profiles import repository
from api.profiles.columns import shown
from api.services import Services
from policies.access.model import Resource
from policies.classification import ProfileField, needs_consent
from policies.words import Action

ALL = tuple(ProfileField)


async def read_profile(
    serving: Services, caller: Caller, clinic: str | None, patient: str, among: Collection[ProfileField] = ALL
) -> dict[str, Any]:
    """The fields of `among` of a patient's profile that the caller may see; keys of what is not shared are absent.

    Raises:
        NotThere: no such patient, or not the caller's to see.
    """
    fields = tuple(field for field in visible_fields(caller.principal) if field in among)
    access = Access(Action.PROFILE_READ, Resource(clinic, patient=True), frozenset(fields))
    row = await repository.profile(await serving.gateway.person(caller, access), as_id(patient), fields)
    return shown(row, [field for field in fields if row["shared"] or not needs_consent(field)], serving.codec)


def visible_fields(principal: Principal) -> tuple[ProfileField, ...]:
    """What of a profile the caller asks for: a key its scope, anybody else all of it."""
    if principal.key is None:
        return ALL
    return tuple(field for field in ProfileField if field in principal.key.fields)


def as_id(text: str) -> UUID | None:
    """The id that a path names; None, which nobody has, if it is none: looked for all the same."""
    try:
        return UUID(text)
    except ValueError:
        return None
