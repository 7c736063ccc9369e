"""Contact fields: encrypted under the person's own data key, written only where they differ."""

from uuid import UUID

import polars as pl
import psycopg
from psycopg import sql

from infra.encryption.codec import DataKey, Place, Undecryptable, decrypt, encrypt
from infra.encryption.data_keys import keys_for_people
from infra.encryption.keyring import KeyProvider
from orchestration.importing.fields import CONTACTS
from orchestration.importing.known import KEY, SCOPE

_TABLE = "operational.profile"


def load_contacts(connection: psycopg.Connection, keys: KeyProvider, patients: pl.DataFrame) -> None:
    """Encrypt and store the contacts of these rows; `stage_person` names the people."""
    given = patients.filter(pl.any_horizontal(pl.col(list(CONTACTS)).is_not_null()))
    if given.is_empty():
        return
    wanted = {(row[SCOPE], row["source_id"]): row for row in given.unique(KEY, keep="last").iter_rows(named=True)}
    stored = connection.execute(_STORED).fetchall()
    mine = [(row, wanted[row[0], row[1]]) for row in stored if (row[0], row[1]) in wanted]
    people = keys_for_people(connection, keys, [row[2] for row, _ in mine])
    changes = [
        change for row, fields in mine if (change := _change(row[2], row[3:], fields, people[row[2]])) is not None
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_WRITE, changes)


def _change(
    person: UUID, stored: tuple[bytes | None, ...], fields: dict[str, str | None], key: DataKey
) -> list[bytes | UUID | None] | None:
    """The person's new ciphertexts and id, or None if every given field already says the same."""
    fresh: list[bytes | None] = []
    changed = False
    for name, old in zip(CONTACTS, stored, strict=True):
        place, value = Place(_TABLE, name, str(person)), fields[name]
        if value is None or _says(key, place, old) == value.encode():
            fresh.append(old)
            continue
        changed = True
        fresh.append(encrypt(key, place, value.encode()))
    return [*fresh, person] if changed else None


def _says(key: DataKey, place: Place, ciphertext: bytes | None) -> bytes | None:
    try:
        return None if ciphertext is None else decrypt(key, place, bytes(ciphertext))
    except Undecryptable:
        return None


_STORED = sql.SQL(
    "select s.scope, s.source_id, s.person_id, {} from stage_person as s"
    " inner join operational.profile as p on p.person_id = s.person_id"
).format(sql.SQL(", ").join(sql.Identifier("p", name) for name in CONTACTS))
_WRITE = sql.SQL("update operational.profile set {} where person_id = %s").format(
    sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in CONTACTS)
)
