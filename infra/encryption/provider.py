"""The key provider that the settings choose, and the first keyring of an instance."""

from pathlib import Path

from infra.database import Server, connect
from infra.encryption.aws_kms import connect_kms
from infra.encryption.keyring import FileKeyring, KeyProvider, WrappedKey
from infra.errors import Misconfigured
from infra.roles import Login
from infra.settings import Provider, Settings

KEYRING = "keyring.json"


def key_provider(settings: Settings, secrets_folder: Path) -> KeyProvider:
    """The provider of an instance's key-encryption keys.

    Raises:
        Misconfigured: it cannot be used as it is set, or its keyring is missing.
        KeysUnavailable: the key service does not answer.
    """
    path = secrets_folder / KEYRING
    if not secrets_folder.is_dir():
        raise Misconfigured(
            f"there is no instance in {secrets_folder.parent}",
            hint="run this in the project's folder, set CLOISTER_HOME, or run `cloister up`",
        )
    if settings.key_provider is Provider.FILE:
        return FileKeyring(path)
    kms = connect_kms([name.strip() for name in settings.kms_keys.split(",") if name.strip()])
    return Successor(kms, FileKeyring(path)) if path.exists() else kms


class Successor:
    """A provider that takes over from a keyring: what that one wrapped opens until it is wrapped anew."""

    def __init__(self, newest: KeyProvider, keyring: FileKeyring) -> None:
        self._newest, self._keyring = newest, keyring
        self.wrap, self.current, self.renew = newest.wrap, newest.current, newest.renew

    def unwrap(self, wrapped: WrappedKey, context: bytes) -> bytes:
        """Decrypt a data key of either.

        Raises:
            Misconfigured: of neither, or altered.
        """
        return (self._keyring if wrapped.kek_id == FileKeyring.ID else self._newest).unwrap(wrapped, context)


def ensure_keyring(settings: Settings, at: Server) -> None:
    """Make the keyring of an instance that has none yet; the platform is set up.

    Raises:
        Misconfigured: data keys exist, so the keyring was lost: a new one would open none of them.
    """
    path = at.secrets_folder / KEYRING
    if settings.key_provider is not Provider.FILE or path.exists():
        return
    with connect(Login.SERVICE, at=at) as connection:
        row = connection.execute(
            "select count(*) from operational.data_key where kek_id = %s", [FileKeyring.ID]
        ).fetchone()
    if row and row[0]:
        raise Misconfigured(
            f"the keyring {path} is missing, and {row[0]:,} data keys in the database need it",
            hint="restore it from its backup: without it what they encrypt is lost",
        )
    FileKeyring.create(path)
