"""Edits of one's own profile and one's dependents', and the history of them."""

from datetime import UTC, date, datetime
from typing import Any

from api.bodies import given
from api.editing import repository
from api.editing.schemas import Edit, Edited, History, PastEdit
from api.entity_tags import matches
from api.gateway import Access, Caller
from api.me.service import entity_tag, person_of
from api.profiles.service import as_id
from api.services import Services
from infra.errors import InvalidInput, Refused
from policies.guardianship import of_age_on
from policies.words import Action


async def edit(
    serving: Services, caller: Caller, asked: Edit | None, if_match: str | None, dependent: str | None = None
) -> Edited:
    """Change fields of the caller's own profile or a dependent's, if it is still as it was read.

    Raises:
        NotThere: no such dependent, or not the caller's today.
        InvalidInput: nothing was sent, or not of which version.
        Refused: somebody else changed it meanwhile; of somebody with a guardian, a birth date that is known,
            or a first one that makes them of age.
    """
    fields = frozenset(asked.model_fields_set) if asked else frozenset()
    access = Access(Action.PERSON_EDIT, person_of(caller, dependent), fields)
    async with serving.gateway.work(caller, access) as work:
        changes = given(asked).changes()
        if if_match is None:
            raise InvalidInput("says no version", place="header.if-match", rule="missing")
        found = await repository.find(work, Action.PERSON_EDIT, as_id(dependent or ""), own=dependent is None)
        person = found["person_id"]
        before = await repository.lock(work, serving.codec, person)
        if not matches(_tag(before), if_match):
            raise Refused("changed meanwhile", place="header.if-match", rule="changed_meanwhile")
        changes = {name: value for name, value in changes.items() if value != before[name]}
        if "birth_date" in changes and before["guarded_until"] is not None:
            _check_birth_date(before, changes["birth_date"])
        if changes:
            await repository.remember(work, serving.codec, person, {name: before[name] for name in changes})
            before |= await repository.write(work, serving.codec, person, changes)
    return Edited(version=_tag(before), changed=sorted(changes))


async def history(serving: Services, caller: Caller) -> History:
    """What the caller's own profile said before each edit.

    Raises:
        NotThere: the caller is no patient.
    """
    async with serving.gateway.work(caller, Access(Action.PERSON_HISTORY, person_of(caller, None))) as work:
        found = await repository.find(work, Action.PERSON_HISTORY, None, own=True)
        rows = await repository.past(work, serving.codec, found["person_id"])
    me = caller.principal.person_id
    return History(edits=[_past(row, by_me=row["changed_by"] == me) for row in rows])


def _check_birth_date(before: dict[str, Any], birth_date: date) -> None:
    """See that an edit neither moves the day that a guardian's access ends, nor makes it today: a clinic says that."""
    if before["birth_date"] is not None:
        raise Refused("is known", place="body.birth_date", rule="known_already")
    if of_age_on(birth_date, before["guarded_until"]) <= datetime.now(UTC).date():
        raise Refused("is of age", place="body.birth_date", rule="of_age")


def _past(row: dict[str, Any], *, by_me: bool) -> PastEdit:
    by = "self" if by_me else "guardian"
    return PastEdit(id=row["history_id"], changed_at=row["changed_at"], changed_by=by, previous=row["previous"])


def _tag(row: dict[str, Any]) -> str:
    return entity_tag(row["name_version"], row["profile_version"])
