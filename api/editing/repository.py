"""A profile's edit: row locked, keys asked for, history sealed, fields and digests written, in one transaction."""

import json
from datetime import date
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql

from api.families import repository as families
from api.gateway import Work
from api.me.statements import STANDS, statement
from api.sealing import index_contact, person_keys, purpose_keys
from infra.encryption.codec import Place
from infra.encryption.contacts import INDEXED
from infra.encryption.field_codec import FieldCodec
from policies.classification import ProfileField, is_contact
from policies.emergency_contacts import entered, replaced, visible
from policies.words import Action

HISTORY = "profile_history"
CONTACTS = ProfileField.EMERGENCY_CONTACTS.value
LONGEST_HISTORY = 200
_PROFILE = "operational.profile"
_NAMES = tuple(field.value for field in ProfileField if field not in (ProfileField.PATIENT_ID, ProfileField.NAME))
_MAKE = sql.SQL("insert into operational.profile (person_id) values (%(person)s) on conflict do nothing")
_LOCK = sql.SQL("""
select
    p.name,
    (
        select min(g.majority_age) from operational.guardianship as g
        where g.dependent_id = p.person_id and {stands}
    ) as guarded_until,
    {columns}
from operational.person as p
inner join operational.profile as q on q.person_id = p.person_id
where p.person_id = %(person)s
for no key update of p, q""").format(
    stands=sql.SQL(STANDS), columns=sql.SQL(", ").join(sql.Identifier("q", name) for name in _NAMES)
)
_RENAME = sql.SQL("update operational.person set name = %(name)s where person_id = %(person)s")
# What people say of themselves is newer than any file's assertion.
_WRITE = sql.SQL("""
update operational.profile set {changes}
where person_id = %(person)s""")
_FORGET = sql.SQL("delete from operational.blind_index where person_id = %(person)s and field = %(field)s")
_REMEMBER = sql.SQL("""
insert into operational.profile_history (history_id, person_id, changed_by, fields, previous)
values (%(history)s, %(person)s, %(by)s, %(fields)s, %(previous)s)""")
_PAST = sql.SQL("""
select history_id, changed_at, changed_by, previous from operational.profile_history
where person_id = %(person)s order by changed_at desc, history_id limit %(limit)s""")
_FOUND = sql.SQL("p.version")


async def find(work: Work, action: Action, dependent: UUID | None, *, own: bool) -> dict[str, Any]:
    """The caller or a dependent of today, whose profile it is: `person_id`, `guarded`.

    Raises:
        NotThere: no such dependent, or not the caller's today.
    """
    return await work.find(_found(action, own), me=work.caller.principal.person_id, dependent=dependent)


async def lock(work: Work, codec: FieldCodec, person: UUID) -> dict[str, Any]:
    """A person's profile as it is, contacts opened, held until the work ends; made if there is none.

    `guarded_until` is the age at which the first guardianship of today ends, null without one.
    """
    await work.run(_MAKE, person=person)
    await families.hold(work, person)  # whoever becomes a guardian is waited for, and seen by the next statement
    (row,) = await work.run(_LOCK, person=person)
    keys = await person_keys(work, codec, person)
    for name in _NAMES:
        if is_contact(name) and row[name] is not None:
            row[name] = codec.open(keys, Place(_PROFILE, name, str(person)), row[name]).decode()
    return row


async def take_out_entered(work: Work, codec: FieldCodec, person: UUID, guardian: UUID) -> None:
    """Take out the emergency contacts of somebody who ceases to be the person's guardian; the history keeps them."""
    kept = (await lock(work, codec, person))[CONTACTS]
    if entered(kept, str(guardian)) is not None:
        await remember(work, codec, person, {CONTACTS: kept})
        await write(work, codec, person, {CONTACTS: replaced(kept, None, str(guardian))})


async def write(work: Work, codec: FieldCodec, person: UUID, changes: dict[str, Any]) -> None:
    """Write the fields that change, and the digests of contacts."""
    fields = dict(changes)
    if "name" in fields:
        await work.run(_RENAME, person=person, name=fields.pop("name"))
    await work.run(_write(frozenset(fields)), person=person, **await _sealed(work, codec, person, fields))
    for field in INDEXED:
        if fields.get(field) is not None:
            await index_contact(work, codec, person, field, fields[field])
        elif field in fields:
            await work.run(_FORGET, person=person, field=field)


async def remember(work: Work, codec: FieldCodec, person: UUID, previous: dict[str, Any]) -> None:
    """Keep what the fields said before, sealed."""
    history = uuid4()
    key, *_ = await purpose_keys(work, codec, HISTORY)
    clear = json.dumps(previous, default=date.isoformat, ensure_ascii=False).encode()
    sealed = codec.seal(key, _place(history), clear)
    by = work.caller.principal.person_id
    await work.run(_REMEMBER, history=history, person=person, by=by, fields=sorted(previous), previous=sealed)


async def past(work: Work, codec: FieldCodec, person: UUID) -> list[dict[str, Any]]:
    """The edits of a profile, the newest first, opened."""
    keys = await purpose_keys(work, codec, HISTORY)
    rows = await work.run(_PAST, person=person, limit=LONGEST_HISTORY)
    for row in rows:
        row["previous"] = json.loads(codec.open(keys, _place(row["history_id"]), row["previous"]))
        if CONTACTS in row["previous"]:
            row["previous"][CONTACTS] = visible(row["previous"][CONTACTS])
    return rows


async def _sealed(work: Work, codec: FieldCodec, person: UUID, fields: dict[str, Any]) -> dict[str, Any]:
    key, *_ = await person_keys(work, codec, person)
    return {
        name: codec.seal(key, Place(_PROFILE, name, str(person)), value.encode())
        if is_contact(name) and value is not None
        else value
        for name, value in fields.items()
    }


def _place(history: UUID) -> Place:
    return Place("operational.profile_history", "previous", str(history))


@cache
def _found(action: Action, own: bool) -> str:
    return statement(action, _FOUND, own=own)


@cache
def _write(fields: frozenset[str]) -> sql.Composed:
    changes = [sql.SQL("asserted_on = {}, asserted_by = {}").format("infinity", None)]
    changes += [sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in sorted(fields)]
    if "birth_date" in fields:
        changes.append(sql.SQL("birth_date_estimated = {}").format(False))
    return _WRITE.format(changes=sql.SQL(", ").join(changes))
