"""What an operator asks of the sealed log, and the rotation of its key."""

from infra.audit import record_process
from infra.audit_tree.keys import FILE, AuditKeys
from infra.audit_tree.streams import STREAMS, Stream
from infra.database import Server, connect
from infra.errors import Refused
from infra.roles import Login
from policies.audit.note import Verifier
from policies.words import ProcessAction

_NEWEST = "select note from audit.checkpoint where stream = %s order by size desc limit 1"


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
    """
    keys = AuditKeys.load(at.secrets_folder)
    with connect(Login.ROTATOR, at=at) as connection:
        action = ProcessAction.KEY_ROTATE
        record_process(connection, role="operator", action=action, resource_type="audit_key", resource_id=FILE)
        newest = keys.renewed(at.secrets_folder).signers("access")[0].verifier
    return newest.key_id.hex()
