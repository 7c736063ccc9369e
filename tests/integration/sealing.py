"""What the tests of the sealed log share: events, a sealer, and the tree as the definition has it."""

from collections.abc import Iterable
from uuid import UUID, uuid4

import psycopg

from infra.audit_tree.keys import AuditKeys
from infra.audit_tree.seal import keys_of, seal
from infra.audit_tree.streams import ACCESS, STREAMS, Stream
from infra.database import Server, connect, connect_admin
from infra.roles import Login
from policies.audit.merkle import Frontier
from policies.audit.note import open_checkpoint

_EVENT = """
insert into audit.access_event (event_id, occurred_at, principal_kind, role, action, resource_type, clinic_id,
    decision, policies, patients)
values (%s, statement_timestamp(), 'user', 'clinic_staff', 'member.list', 'segment', %s, 'permit', '{}', %s)
"""
_DISCLOSED = """
insert into audit.disclosure (event_id, occurred_at, clinic_id, patient_id)
select event_id, occurred_at, clinic_id, unnest(%s::uuid[]) from audit.access_event where event_id = %s
"""
_BATCH = """
insert into audit.access_event (event_id, occurred_at, principal_kind, role, action, resource_type, clinic_id,
    decision, policies, batch_id)
values (%s, statement_timestamp(), 'process', 'pipeline', 'pipeline.ingest', %s, %s, 'permit', '{}', %s)
"""
_MOVED = """
insert into audit.batch_patient (event_id, occurred_at, clinic_id, asset, patient_id)
select event_id, occurred_at, clinic_id, %s, unnest(%s::uuid[]) from audit.access_event where event_id = %s
"""
_CHUNK = """
insert into audit.disclosure_chunk (event_id, occurred_at, clinic_id, prefix, patients)
select e.event_id, e.occurred_at, e.clinic_id, left(p.id::text, 3), array_agg(p.id order by p.id)
from audit.access_event as e cross join unnest(%s::uuid[]) as p (id) where e.event_id = %s
group by e.event_id, e.occurred_at, e.clinic_id, left(p.id::text, 3)
"""
_IMPERSONATION = """
insert into audit.impersonation_event (event_id, occurred_at, session_id, actor_id, subject_id, action, reason)
values (gen_random_uuid(), now(), 's', gen_random_uuid(), gen_random_uuid(), 'person.read', 'patient_asked')
"""


def add_event(connection: psycopg.Connection, clinic_id: int | None = 1) -> UUID:
    """An event of nobody disclosed, as the service writes it."""
    event_id = uuid4()
    connection.execute(_EVENT, [event_id, clinic_id, 0])
    return event_id


def add_events(at: Server, count: int, clinic_id: int | None = 1, patients: Iterable[UUID] = ()) -> list[UUID]:
    """So many events; each disclosed these patients."""
    patients = list(patients)
    with connect_admin(at) as admin, admin.transaction():
        ids = [uuid4() for _ in range(count)]
        for event_id in ids:
            admin.execute(_EVENT, [event_id, clinic_id, len(patients)])
            admin.execute(_DISCLOSED, [patients, event_id])
    return ids


def add_batch(at: Server, clinic_id: int, asset: str, patients: Iterable[UUID]) -> UUID:
    """An event of the pipeline that moved rows of these patients."""
    event_id = uuid4()
    with connect_admin(at) as admin, admin.transaction():
        admin.execute(_BATCH, [event_id, asset, clinic_id, uuid4()])
        admin.execute(_MOVED, [asset, list(patients), event_id])
    return event_id


def add_pull(at: Server, clinic_id: int, patients: Iterable[UUID]) -> UUID:
    """An event that disclosed these patients in chunks, as a pull does."""
    event_id, patients = uuid4(), list(patients)
    with connect_admin(at) as admin, admin.transaction():
        admin.execute(_EVENT, [event_id, clinic_id, len(patients)])
        admin.execute(_CHUNK, [patients, event_id])
    return event_id


def add_impersonations(at: Server, count: int) -> None:
    """So many events of admins who acted as somebody."""
    with connect_admin(at) as admin, admin.transaction():
        for _ in range(count):
            admin.execute(_IMPERSONATION)


def keys(at: Server) -> AuditKeys:
    with connect(Login.SEALER, at=at, autocommit=True) as connection:
        return keys_of(connection, at.secrets_folder)


def seal_all(at: Server) -> dict[str, int]:
    """One round of the sealer."""
    with connect(Login.SEALER, at=at, autocommit=True) as connection:
        signing = keys_of(connection, at.secrets_folder)
        return {stream.name: seal(connection, stream, signing) for stream in STREAMS.values()}


def assert_whole(at: Server, stream: Stream = ACCESS) -> int:
    """Every event has one leaf, places have no gap, and each checkpoint's root is that of its leaves; the size."""
    with connect_admin(at) as admin:
        leaves = admin.execute(
            "select index, event_id, hash from audit.leaf where stream = %s order by index", [stream.name]
        ).fetchall()
        events = admin.execute(f"select event_id from audit.{stream.table}").fetchall()
        signed = admin.execute("select size, note from audit.checkpoint where stream = %s order by 1", [stream.name])
        assert [leaf[0] for leaf in leaves] == list(range(len(leaves)))
        assert sorted(leaf[1] for leaf in leaves) == sorted(row[0] for row in events)
        hashes, verifiers = [leaf[2] for leaf in leaves], keys(at).verifiers(stream.name)
        tree = Frontier()
        for size, note in signed.fetchall():
            tree.extend(hashes[tree.size : size])
            found = open_checkpoint(note, verifiers)
            assert (found.size, found.root) == (size, tree.root())
    return len(leaves)
