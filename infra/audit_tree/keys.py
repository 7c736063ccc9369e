"""The keys that checkpoints are signed with: a keyring of its own, `<home>/secrets/audit-keyring.json`, mode 0600.

It holds the newest key and the one before, which signs one more checkpoint of each stream beside it; of those before
that, only the public halves.
"""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.errors import Misconfigured
from infra.private_file import read_private, replace_private, write_once
from policies.audit.note import Signer, Verifier

FILE = "audit-keyring.json"
SEED_BYTES = 32


@dataclass(frozen=True)
class AuditKeys:
    """The id of this instance's log, its private keys, newest first, and the public ones of those that are gone."""

    log: str
    keys: tuple[Ed25519PrivateKey, ...]
    retired: tuple[bytes, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the keyring in the secrets folder.

        Raises:
            Misconfigured: it is missing, can be read by others, or is none.
        """
        path = folder / FILE
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
    def create(cls, folder: Path) -> Self:
        """Make the keyring of a new log; one that is there stays as it is."""
        write_once(folder / FILE, _text(secrets.token_hex(8), [secrets.token_bytes(SEED_BYTES)], []))
        return cls.load(folder)

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

    def renewed(self, folder: Path) -> Self:
        """Put a new key in front; the one before the last goes."""
        seeds = [secrets.token_bytes(SEED_BYTES), self.keys[0].private_bytes_raw()]
        gone = [key.public_key().public_bytes_raw() for key in self.keys[1:]]
        replace_private(folder / FILE, _text(self.log, seeds, [*self.retired, *gone]))
        return self.load(folder)


def _text(log: str, seeds: list[bytes], retired: list[bytes]) -> str:
    return json.dumps({"log": log, "keys": [seed.hex() for seed in seeds], "retired": [key.hex() for key in retired]})
