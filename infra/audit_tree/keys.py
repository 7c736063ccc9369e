"""The keys that checkpoints, and receipts of consents, are signed with: keyrings of their own in `<home>/secrets`, mode
0600. Who signs receipts brings marts up to date, and needs no key of the log.

A keyring holds the newest key and those that signed the newest checkpoint of a stream: each signs the next one of that
stream beside it. Of keys before, it holds the public halves alone.
"""

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.errors import Misconfigured
from infra.private_file import read_private, replace_private, write_once
from policies.audit.note import Signer, Verifier

FILE = "audit-keyring.json"
RECEIPTS_FILE = "receipt-keyring.json"
EXPORTS_FILE = "export-keyring.json"
SEED_BYTES = 32


@dataclass(frozen=True)
class AuditKeys:
    """The id of what is signed here, its private keys, newest first, and the public ones of those that are gone."""

    log: str
    keys: tuple[Ed25519PrivateKey, ...]
    retired: tuple[bytes, ...] = ()

    @classmethod
    def load(cls, folder: Path, file: str = FILE) -> Self:
        """Read a keyring in the secrets folder.

        Raises:
            Misconfigured: it is missing, can be read by others, or is none.
        """
        path = folder / file
        if not path.exists():
            raise Misconfigured(f"the keyring {path} is missing", hint="restore it from its backup")
        try:
            stored = json.loads(read_private(path))
            keys = tuple(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)) for seed in stored["keys"])
            retired = tuple(bytes.fromhex(key) for key in stored["retired"])
            if not keys or not isinstance(stored["log"], str):
                raise ValueError
        except (ValueError, KeyError, TypeError):
            raise Misconfigured(f"{path} is no keyring", hint="restore it from its backup") from None
        return cls(stored["log"], keys, retired)

    @classmethod
    def create(cls, folder: Path, file: str = FILE) -> Self:
        """Make the keyring of a new log; one that is there stays as it is."""
        write_once(folder / file, _text(secrets.token_hex(8), [secrets.token_bytes(SEED_BYTES)], []))
        return cls.load(folder, file)

    def origin(self, stream: str) -> str:
        """The name of a stream's log, to the whole world."""
        return f"cloister/{self.log}/{stream}"

    def signers(self, stream: str) -> list[Signer]:
        """The keys as a stream's log signs with them, newest first."""
        return [Signer(self.origin(stream), key) for key in self.keys]

    def verifiers(self, stream: str) -> list[Verifier]:
        """Every key that ever signed for a stream."""
        gone = [Verifier(self.origin(stream), key) for key in self.retired]
        return [*(signer.verifier for signer in self.signers(stream)), *gone]

    def signing(self, stream: str, before: tuple[Verifier, ...]) -> list[Signer]:
        """Who signs the next checkpoint of a stream, after one that these signed: once after a rotation, both."""
        newest, *older = self.signers(stream)
        if not before or newest.verifier in before:
            return [newest]
        return [newest, *(signer for signer in older if signer.verifier in before)]

    def renewed(self, folder: Path, signed_by: Iterable[Verifier], file: str = FILE) -> Self:
        """Put a new key in front; those go that are none of `signed_by`: who signed the streams' newest checkpoints."""
        needed = {verifier.key for verifier in signed_by}
        public = {key.public_key().public_bytes_raw(): key for key in self.keys}
        kept = [key.private_bytes_raw() for half, key in public.items() if half in needed]
        gone = [half for half in public if half not in needed]
        fresh = secrets.token_bytes(SEED_BYTES)
        replace_private(folder / file, _text(self.log, [fresh, *kept], [*gone, *self.retired]))
        return self.load(folder, file)


def _text(log: str, seeds: list[bytes], retired: list[bytes]) -> str:
    return json.dumps({"log": log, "keys": [seed.hex() for seed in seeds], "retired": [key.hex() for key in retired]})
