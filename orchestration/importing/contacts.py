"""Contact fields: brought into one form, encrypted under the person's own data key, written where they differ."""

from uuid import UUID

import polars as pl
import psycopg
from psycopg import sql

from infra.encryption.blind_index import digests, write_digests
from infra.encryption.codec import Place, Undecryptable
from infra.encryption.contacts import INDEXED, NO_COUNTRY, canonical
from infra.encryption.data_keys import IndexKey, StoredKey, index_keys, people_keys
from infra.encryption.field_codec import FieldCodec
from infra.errors import InvalidInput
from orchestration.importing.fields import CONTACTS
from orchestration.importing.known import KEY, SCOPE
from orchestration.importing.session import unchanged

_TABLE = "operational.profile"
_REFUSED = {"line": pl.Int64, "reason": pl.String}


def in_one_form(patients: pl.DataFrame, countries: dict[int, str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """These rows with phones and emails as they are stored, and `line, reason` of those that have bad ones.

    `countries` maps a clinic's id to the country that its patients' national numbers are of.
    """
    refused = [pl.DataFrame(schema=_REFUSED)]
    for field in INDEXED:
        given = patients.filter(pl.col(field).is_not_null()).select("clinic_id", field).unique()
        if given.is_empty():
            continue
        judged = [(clinic, value, *_judge(field, value, countries.get(clinic))) for clinic, value in given.iter_rows()]
        schema = {"clinic_id": pl.Int64, field: pl.String, "form": pl.String, "reason": pl.String}
        forms = pl.DataFrame(judged, schema=schema, orient="row")
        patients = patients.join(forms, on=["clinic_id", field], how="left", maintain_order="left")
        refused.append(patients.filter(pl.col("reason").is_not_null()).select("line", "reason"))
        patients = patients.with_columns(pl.col("form").alias(field)).drop("form", "reason")
    return patients, pl.concat(refused).unique("line", keep="first", maintain_order=True)


def _judge(field: str, value: str, country: str | None) -> tuple[str | None, str | None]:
    try:
        return canonical(field, value, country or NO_COUNTRY), None
    except InvalidInput as error:
        return None, f"{error.place}: {error.message}"


def load_contacts(connection: psycopg.Connection, codec: FieldCodec, patients: pl.DataFrame) -> None:
    """Encrypt, store and index the contacts of these rows; `stage_person` names the people."""
    given = patients.filter(pl.any_horizontal(pl.col(list(CONTACTS)).is_not_null()))
    if given.is_empty():
        return
    wanted = {(row[SCOPE], row["source_id"]): row for row in given.unique(KEY, keep="last").iter_rows(named=True)}
    scopes, ids = [scope for scope, _ in wanted], [source_id for _, source_id in wanted]
    # The row's lock before the keys: a rotation of this person is over by then, or waits for us.
    stored = connection.execute(_STORED, [scopes, ids]).fetchall()
    mine = [(row[2], row[3:], wanted[row[0], row[1]]) for row in stored]
    keys = people_keys(connection, codec.provider, [person for person, _, _ in mine])
    changes = [change for person, old, fields in mine if (change := _change(codec, keys[person], person, old, fields))]
    with connection.cursor() as cursor:
        cursor.executemany(_WRITE, changes)
    _index(connection, codec, [(person, fields) for person, _, fields in mine])


def _change(
    codec: FieldCodec, keys: list[StoredKey], person: UUID, stored: tuple[bytes | None, ...],
    fields: dict[str, str | None],
) -> list[bytes | UUID | None] | None:  # fmt: skip
    """The person's new ciphertexts and id, or None if every given field already says the same."""
    fresh: list[bytes | None] = []
    changed = False
    for name, old in zip(CONTACTS, stored, strict=True):
        place, value = Place(_TABLE, name, str(person)), fields[name]
        if value is None or _says(codec, keys, place, old) == value.encode():
            fresh.append(old)
            continue
        changed = True
        fresh.append(codec.seal(keys[0], place, value.encode()))
    return [*fresh, person] if changed else None


def _says(codec: FieldCodec, keys: list[StoredKey], place: Place, ciphertext: bytes | None) -> bytes | None:
    try:
        return None if ciphertext is None else codec.open(keys, place, ciphertext)
    except Undecryptable:
        return None


def _index(connection: psycopg.Connection, codec: FieldCodec, people: list[tuple[UUID, dict[str, str | None]]]) -> None:
    rows = []
    for field in INDEXED:
        given = [(person, value) for person, fields in people if (value := fields[field]) is not None]
        keys: list[IndexKey] = index_keys(connection, codec.provider, field) if given else []
        for person, value in given:
            rows += [(person, field, version, found) for version, found in digests(codec, keys, field, value).items()]
    write_digests(connection, rows)


_STORED = sql.SQL(
    "select s.scope, s.source_id, s.person_id, {} from stage_person as s"
    " inner join operational.profile as p on p.person_id = s.person_id"
    " where (s.scope, s.source_id) in (select * from unnest(%s::text[], %s::text[]))"
    " and p.asserted_on is distinct from 'infinity'"  # edited by the person
    " and {unchanged}"
    " order by s.person_id for no key update of p"
).format(sql.SQL(", ").join(sql.Identifier("p", name) for name in CONTACTS), unchanged=sql.SQL(unchanged("p")))
_WRITE = sql.SQL("update operational.profile set {} where person_id = %s").format(
    sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in CONTACTS)
)
