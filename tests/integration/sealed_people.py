"""People with encrypted contacts, and writers and readers of them, as the product's own code does it."""

import json
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import tuple_row

from infra.database import Server
from infra.encryption.blind_index import digests, find, write_digests
from infra.encryption.codec import Place
from infra.encryption.columns import PROFILE
from infra.encryption.data_keys import StoredKey, index_keys, people_keys
from infra.encryption.field_codec import FieldCodec
from infra.encryption.keyring import FileKeyring
from infra.encryption.provider import KEYRING
from infra.encryption.rotation.book import Kind
from infra.encryption.rotation.run import Outcome, rotate
from orchestration.importing.quarantine import Origin, Quarantine
from orchestration.importing.quarantine import Refused as RefusedRow

READ = """
select p.phone, array_agg(k.data_key_id), array_agg(k.wrapped), array_agg(k.kek_id), array_agg(k.kek_version)
from operational.profile as p inner join operational.data_key as k on k.person_id = p.person_id
where p.person_id = %s and k.retired_at is null group by p.phone
"""


def codec_of(server: Server) -> FieldCodec:
    return FieldCodec(FileKeyring(server.secrets_folder / KEYRING))


def number(index: int) -> str:
    return f"+49301{index:07}"


def add_person(importer: psycopg.Connection, codec: FieldCodec, phone: str) -> UUID:
    person = uuid4()
    with importer.transaction():
        importer.execute("insert into operational.person (person_id, name) values (%s, 'A')", [person])
        importer.execute("insert into operational.profile (person_id) values (%s)", [person])
        write_phone(importer, codec, person, phone)
    return person


def write_phone(importer: psycopg.Connection, codec: FieldCodec, person: UUID, phone: str) -> None:
    """As every writer has to: lock the row, then the keys; ciphertext and digests in one transaction."""
    importer.execute("select from operational.profile where person_id = %s for no key update", [person])
    keys = people_keys(importer, codec.provider, [person])[person]
    values = {"phone": phone, "emergency_contacts": json.dumps([{"phone": phone}])}
    for column, value in values.items():
        sealed = codec.seal(keys[0], Place(PROFILE.place, column, str(person)), value.encode())
        importer.execute(
            f"update operational.profile set {column} = %s where person_id = %s",  # type: ignore[call-overload]
            [sealed, person],
        )
    found = digests(codec, index_keys(importer, codec.provider, "phone"), "phone", phone)
    write_digests(importer, [(person, "phone", version, digest) for version, digest in found.items()])


def read_phone(connection: psycopg.Connection, codec: FieldCodec, person: UUID) -> str:
    """Ciphertext and live keys in one statement, as every reader has to."""
    row = connection.cursor(row_factory=tuple_row).execute(READ, [person]).fetchone()
    assert row
    keys = [StoredKey(*key) for key in zip(*row[1:], strict=True)]
    return codec.open(keys, Place(PROFILE.place, "phone", str(person)), row[0]).decode()


def who_has(connection: psycopg.Connection, codec: FieldCodec, phone: str) -> list[UUID]:
    return find(connection, codec, "phone", phone)


def turn(server: Server, *kinds: Kind) -> list[Outcome]:
    return rotate(server, codec_of(server), list(kinds), lambda _kind, _total: lambda _more: None)


def quarantine(importer: psycopg.Connection, codec: FieldCodec, content: bytes) -> UUID:
    batch = uuid4()
    importer.execute("insert into operational.import_batch (batch_id, source, file) values (%s, 's', 'f')", [batch])
    Quarantine(importer, codec, Origin(batch, "s", "patient", "f")).add([RefusedRow(1, "name: is missing", content)])
    return batch
