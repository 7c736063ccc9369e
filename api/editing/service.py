"""Edits of one's own profile and one's dependents', and the history of them."""

from datetime import UTC, date, datetime
from typing import Any

from api.bodies import given
from api.editing import repository
from api.editing.repository import CONTACTS
from api.editing.schemas import Edit, Edited, History, PastEdit, complete
from api.entity_tags import matches, of_shown
from api.families import repository as families
from api.gateway import Access, Caller
from api.me.service import OWN, author_of, named, person_of
from api.profiles.service import as_id
from api.services import Services
from infra.errors import InvalidInput, NotThere, Refused
from policies.emergency_contacts import MOST, Entry, entered, replaced, visible
from policies.guardianship import of_age_on
from policies.words import Action


async def edit(
    serving: Services, caller: Caller, asked: Edit | None, if_match: str | None, dependent: str | None = None
) -> Edited:
    """Change fields of the caller's own profile or a dependent's, if it is still as it was read.

    Raises:
        NotThere: no such dependent, or not the caller's today.
        InvalidInput: nothing was sent, or not of which version; an emergency contact that is new is not complete.
        Refused: somebody else changed it meanwhile; of somebody with a guardian, a birth date that is known,
            or a first one that makes them of age.
    """
    fields = named(asked.model_fields_set if asked else (), dependent)
    access = Access(Action.PERSON_EDIT, person_of(caller, dependent), fields)
    author = author_of(caller, dependent)
    async with serving.gateway.work(caller, access) as work:
        changes = given(asked).changes()
        if if_match is None:
            raise InvalidInput("says no version", place="header.if-match", rule="missing")
        found = await repository.find(work, Action.PERSON_EDIT, as_id(dependent or ""), own=dependent is None)
        person = found["person_id"]
        before = await repository.lock(work, serving.codec, person)
        seen = _seen(before, author)
        if not matches(of_shown(serving.digests, seen), if_match):
            raise Refused("changed meanwhile", place="header.if-match", rule="changed_meanwhile")
        changes = {name: value for name, value in _meant(changes, seen, author).items() if value != seen[name]}
        if "birth_date" in changes and before["guarded_until"] is not None:
            _check_birth_date(before, changes["birth_date"])
        if CONTACTS in changes:
            _check_count(changes[CONTACTS], seen[CONTACTS])
            if author is not None and not await families.is_guardian(work, person, caller.principal.person_id):
                raise NotThere("no such thing")  # since they were found, while the profile was waited for
        if changes:
            await repository.remember(work, serving.codec, person, {name: before[name] for name in changes})
            await repository.write(work, serving.codec, person, _kept(before, changes, author))
    return Edited(version=of_shown(serving.digests, seen | changes), changed=sorted(changes))


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


def _seen(before: dict[str, Any], author: str | None) -> dict[str, Any]:
    """The profile as it is shown to whoever edits it."""
    kept = before[CONTACTS]
    contacts = visible(kept) if author is None else entered(kept, author)
    return {field.value: before[field.value] for field in OWN} | {CONTACTS: contacts}


def _meant(changes: dict[str, Any], seen: dict[str, Any], author: str | None) -> dict[str, Any]:
    """The changes as they are meant: a guardian who names nobody entered nobody, and what is seen already stays."""
    if not changes.get(CONTACTS):
        nobody = author is not None and CONTACTS in changes
        return changes | {CONTACTS: None} if nobody else changes
    known = seen[CONTACTS] if isinstance(seen[CONTACTS], list) else []
    given = enumerate(changes[CONTACTS])
    return changes | {
        CONTACTS: [each if each in known else complete(each, f"body.{CONTACTS}.{place}") for place, each in given]
    }


def _check_count(given: list[Entry] | None, seen: list[Entry] | str | None) -> None:
    """See that there are not too many by this edit. What the caller does not see is not counted: that would tell."""
    if given and len(given) > max(MOST, len(seen) if isinstance(seen, list) else 0):
        raise InvalidInput("too many", place=f"body.{CONTACTS}", rule="too_long")


def _kept(before: dict[str, Any], changes: dict[str, Any], author: str | None) -> dict[str, Any]:
    """The fields that change as they are stored."""
    if CONTACTS not in changes:
        return changes
    return changes | {CONTACTS: replaced(before[CONTACTS], changes[CONTACTS], author)}


def _past(row: dict[str, Any], *, by_me: bool) -> PastEdit:
    by = "self" if by_me else "guardian"
    return PastEdit(id=row["history_id"], changed_at=row["changed_at"], changed_by=by, previous=row["previous"])
