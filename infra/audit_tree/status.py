"""What an operator asks of the sealed log, and the rotation of its key."""

import psycopg
from psycopg import sql

from infra.audit import record_process
from infra.audit_tree.keys import FILE, AuditKeys
from infra.audit_tree.seal import unseen
from infra.audit_tree.streams import STREAMS, Stream
from infra.database import Server, connect
from infra.errors import Refused
from infra.roles import Login
from policies.audit.note import BadNote, Verifier, open_checkpoint
from policies.words import ProcessAction

_NEWEST = "select note from audit.checkpoint where stream = %s order by size desc limit 1"
_READ_UNTIL = "select read_until::text from audit.checkpoint where stream = %s order by size desc limit 1"
# By transaction, as the sealer looks for them: the oldest time alone would be looked for from the first event on.
_WAITED = sql.SQL("""
select coalesce(max(extract(epoch from clock_timestamp() - e.occurred_at)), 0)::float8
from {} as e
where e.transaction_id >= %(since)s::xid8 or e.transaction_id = any(%(open)s::xid8[])
""")
_NOTHING_SEALED = "0:0:"


def newest_checkpoint(at: Server, stream: Stream) -> str:
    """The note of the newest checkpoint.

    Raises:
        Refused: nothing is sealed yet.
    """
    with connect(Login.SERVICE, at=at) as connection:
        row = connection.execute(_NEWEST, [stream.name]).fetchone()
    if row is None:
        raise Refused("nothing is sealed yet", hint="`cloister seal --once`")
    note: str = row[0]
    return note


def oldest_unsealed(at: Server) -> float:
    """For how many seconds the oldest event that the sealer could take has waited; 0 if none waits."""
    with connect(Login.SEALER, at=at) as connection:
        return max(_waited(connection, stream) for stream in STREAMS.values())


def _waited(connection: psycopg.Connection, stream: Stream) -> float:
    last = connection.execute(_READ_UNTIL, [stream.name]).fetchone()
    found = connection.execute(_WAITED.format(stream.source), unseen(last[0] if last else _NOTHING_SEALED)).fetchone()
    return float(found[0]) if found else 0.0


def public_keys(at: Server) -> list[Verifier]:
    """The public keys of all streams, of each the newest first.

    Raises:
        Misconfigured: there is no keyring, or none that is private.
    """
    keys = AuditKeys.load(at.secrets_folder)
    return [key for stream in STREAMS for key in keys.verifiers(stream)]


def rotate_key(at: Server) -> str:
    """Make a new signing key, with its event; return its id.

    Raises:
        Misconfigured: there is no keyring, or none that is private.
        Refused: a newest checkpoint is signed by none of its keys.
    """
    keys = AuditKeys.load(at.secrets_folder)
    with connect(Login.SERVICE, at=at) as connection:
        newest = [(name, row[0]) for name in STREAMS for row in connection.execute(_NEWEST, [name])]
    try:
        signed_by = [key for name, note in newest for key in open_checkpoint(note, keys.verifiers(name)).signed_by]
    except BadNote as error:
        raise Refused(f"the newest checkpoint: {error}", hint="verify an export") from None
    with connect(Login.ROTATOR, at=at) as connection:
        action = ProcessAction.KEY_ROTATE
        record_process(connection, role="operator", action=action, resource_type="audit_key", resource_id=FILE)
    return keys.renewed(at.secrets_folder, signed_by).signers("access")[0].verifier.key_id.hex()
