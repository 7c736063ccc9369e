"""The keys that exports are signed with: a keyring of their own, and no other stream's signature passes for theirs.

The newest one signs. A rotation puts another in front; of the one before only the public half is left, which verifies
what it signed as long as that is good.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

import psycopg

from infra.audit import record_process
from infra.audit_tree.keys import EXPORTS_FILE, AuditKeys
from infra.audit_tree.verify_file import keys_in
from infra.database import Server, connect
from infra.roles import Login
from policies.audit.note import Signer, Verifier
from policies.patient_export import STREAM
from policies.words import ProcessAction


class ExportKeys:
    """With what exports are signed here, and whose are taken: our own, and those that the settings name.

    A keyring that was rotated is read again, so that every process signs with its newest key.
    """

    def __init__(self, folder: Path, others: tuple[Verifier, ...] = ()) -> None:
        self._folder = folder
        self._keys, self._seen = AuditKeys.load(folder, EXPORTS_FILE), self._stamp()
        self.others = tuple(key for key in others if key not in self.own)

    @property
    def signer(self) -> Signer:
        """With what an export is signed now."""
        return self._newest().signers(STREAM)[0]

    @property
    def own(self) -> tuple[Verifier, ...]:
        """Every key that ever signed exports here, newest first."""
        return tuple(self._newest().verifiers(STREAM))

    @property
    def trusted(self) -> tuple[Verifier, ...]:
        """Every key whose exports are taken."""
        return (*self.own, *self.others)

    def _newest(self) -> AuditKeys:
        seen = self._stamp()
        if seen != self._seen:
            self._keys, self._seen = AuditKeys.load(self._folder, EXPORTS_FILE), seen
        return self._keys

    def _stamp(self) -> tuple[int, int]:
        found = (self._folder / EXPORTS_FILE).stat()  # a rotation puts a new file in its place
        return found.st_ino, found.st_mtime_ns

    @classmethod
    def load(cls, connection: psycopg.Connection, folder: Path, trusted: Path | None = None) -> Self:
        """The keys of an instance; where there have been none yet, the first is made and published.

        Raises:
            Misconfigured: exports have been signed before, and the keyring is missing, or others can read it.
            InvalidInput: a key of the file of `trusted` ones that is none.
            CloisterError: that file cannot be read.
        """
        known = (folder / EXPORTS_FILE).exists()
        if not known and not connection.execute("select 1 from audit.export_signer limit 1").fetchone():
            AuditKeys.create(folder, EXPORTS_FILE)
        made = cls(folder, tuple(keys_in([str(trusted)])) if trusted else ())
        _publish(connection, made.own)
        return made


@dataclass(frozen=True)
class PublicKey:
    """A key that exports were signed with, from when until when; None: it signs now."""

    verifier: str
    since: datetime
    until: datetime | None


def public_keys(at: Server) -> list[PublicKey]:
    """The public keys that exports were ever signed with, newest first."""
    with connect(Login.SERVICE, at=at) as connection:
        return [PublicKey(*row) for row in connection.execute(_PUBLISHED)]


def rotate_key(at: Server) -> str:
    """Make a new signing key, with its event, and publish it; return its id.

    Raises:
        Misconfigured: there is no keyring, or none that is private.
    """
    keys = AuditKeys.load(at.secrets_folder, EXPORTS_FILE)
    with connect(Login.ROTATOR, at=at) as connection:
        action = ProcessAction.KEY_ROTATE
        record_process(connection, role="operator", action=action, resource_type="export_key", resource_id=EXPORTS_FILE)
    with connect(Login.SERVICE, at=at) as connection:
        # Should this be cut short, whoever reads the keyring next publishes what is in it.
        _publish(connection, keys.verifiers(STREAM))
        renewed = keys.renewed(at.secrets_folder, (), EXPORTS_FILE).verifiers(STREAM)
        _publish(connection, renewed)
    return renewed[0].key_id.hex()


def _publish(connection: psycopg.Connection, newest_first: Sequence[Verifier]) -> None:
    connection.cursor().executemany(
        "insert into audit.export_signer (verifier) values (%s) on conflict do nothing",
        [[str(key)] for key in reversed(newest_first)],
    )


# One signs until the next one does.
_PUBLISHED = """
select verifier, since, lead(since) over (order by since, verifier) as until
from audit.export_signer order by since desc, verifier desc
"""
