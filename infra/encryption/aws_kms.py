"""AWS KMS as the key provider: key-encryption keys never leave it; each wrap and unwrap is one call.

Needs the extra `cloister[aws]`; credentials and region come from where the AWS SDK looks for them. The
encryption context binds a wrapped key to its data key's id and shows up in CloudTrail.
"""

from typing import Any

from infra.encryption.keyring import WrappedKey
from infra.errors import KeysUnavailable, Misconfigured

# KMS keeps the versions of a key to itself: a ciphertext names its key alone.
VERSION = 1
_REFUSED = {"InvalidCiphertextException", "IncorrectKeyException"}


class AwsKms:
    """Wraps under the first of the named keys; unwraps what any of them wrapped, and nothing else's.

    A key of somebody else's account would open here, too, if its owner let us: so the keys are listed.
    """

    def __init__(self, client: Any, names: list[str]) -> None:
        self._client = client
        self.arns = [self._call("describe_key", KeyId=name)["KeyMetadata"]["Arn"] for name in names]
        if not self.arns:
            raise Misconfigured("no KMS key is named", hint="set CLOISTER_KMS_KEYS")

    def wrap(self, key: bytes, context: bytes) -> WrappedKey:
        """Encrypt a data key under the first key.

        Raises:
            Misconfigured: KMS refuses.
            KeysUnavailable: KMS does not answer.
        """
        answer = self._call("encrypt", KeyId=self.arns[0], Plaintext=key, EncryptionContext=_bound(context))
        return WrappedKey(answer["CiphertextBlob"], self.arns[0], VERSION)

    def unwrap(self, wrapped: WrappedKey, context: bytes) -> bytes:
        """Decrypt a data key.

        Raises:
            Misconfigured: of a key that is not named, or altered, or KMS refuses.
            KeysUnavailable: KMS does not answer.
        """
        if wrapped.kek_id not in self.arns:
            raise Misconfigured(
                "a data key is wrapped by a KMS key that is not named",
                hint=f"add {wrapped.kek_id} to CLOISTER_KMS_KEYS",
            )
        answer = self._call(
            "decrypt", KeyId=wrapped.kek_id, CiphertextBlob=wrapped.wrapped, EncryptionContext=_bound(context)
        )
        clear: bytes = answer["Plaintext"]
        return clear

    def current(self) -> tuple[str, int]:
        """The first key's ARN."""
        return self.arns[0], VERSION

    def renew(self) -> None:
        """Nothing: a new key is made in KMS and named first in CLOISTER_KMS_KEYS."""

    def _call(self, operation: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._client, operation)(**arguments)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _REFUSED:
                raise Misconfigured("a data key does not open with this KMS key") from None
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500 or "Throttl" in code:
                raise KeysUnavailable(f"AWS KMS does not answer ({code})") from None
            raise Misconfigured(f"AWS KMS refuses {operation} ({code})", hint="see docs/encryption.md") from None
        except BotoCoreError as error:
            raise KeysUnavailable(f"AWS KMS cannot be reached ({type(error).__name__})") from None


def _bound(context: bytes) -> dict[str, str]:
    return {"cloister:data-key": context.hex()}


def connect_kms(names: list[str]) -> AwsKms:
    """The provider, through the AWS SDK.

    Raises:
        Misconfigured: the SDK is not installed, or a key is not there or not ours.
        KeysUnavailable: KMS does not answer.
    """
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise Misconfigured("the AWS SDK is not installed", hint="pip install 'cloister[aws]'") from None
    try:
        client = boto3.client("kms")
    except BotoCoreError as error:
        raise Misconfigured(f"the AWS SDK is not set up ({type(error).__name__})", hint="set AWS_REGION") from None
    return AwsKms(client, names)
