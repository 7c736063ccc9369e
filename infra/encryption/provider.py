"""The key provider that the settings choose."""

from pathlib import Path

from infra.encryption.keyring import FileKeyring, KeyProvider
from infra.errors import Misconfigured
from infra.settings import Provider, Settings

KEYRING = "keyring.json"


def key_provider(settings: Settings, secrets_folder: Path) -> KeyProvider:
    """The provider of an instance's key-encryption keys.

    Raises:
        Misconfigured: it cannot be used as it is set.
    """
    if settings.key_provider is Provider.AWS_KMS:
        raise Misconfigured("the AWS KMS provider is not there yet")
    return FileKeyring(secrets_folder / KEYRING)
