"""AWS KMS as the key provider, against moto's."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from infra.encryption.aws_kms import AwsKms, connect_kms
from infra.encryption.keyring import FileKeyring, WrappedKey
from infra.encryption.provider import key_provider
from infra.errors import KeysUnavailable, Misconfigured
from infra.settings import Provider, Settings

KEY = bytes(range(32))


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in (("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_REGION", "eu-central-1"),
                        ("AWS_DEFAULT_REGION", "eu-central-1")):  # fmt: skip
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield boto3.client("kms", region_name="eu-central-1")


@pytest.fixture
def key(kms: Any) -> str:
    arn: str = kms.create_key()["KeyMetadata"]["Arn"]
    return arn


def test_it_wraps_and_unwraps_bound_to_the_context(kms: Any, key: str) -> None:
    provider = connect_kms([key.split("/")[1]])
    wrapped = provider.wrap(KEY, b"context")
    assert (wrapped.kek_id, wrapped.kek_version) == provider.current() == (key, 1)
    assert KEY not in wrapped.wrapped
    assert provider.unwrap(wrapped, b"context") == KEY
    with pytest.raises(Misconfigured, match="does not open"):
        provider.unwrap(wrapped, b"another data key")


def test_an_altered_one_does_not_open(kms: Any, key: str) -> None:
    provider = connect_kms([key])
    wrapped = provider.wrap(KEY, b"context")
    altered = wrapped.wrapped[:-1] + bytes([wrapped.wrapped[-1] ^ 1])
    with pytest.raises(Misconfigured, match="does not open"):
        provider.unwrap(WrappedKey(altered, key, 1), b"context")


def test_the_first_key_wraps_and_all_that_are_named_unwrap(kms: Any, key: str) -> None:
    other = kms.create_key()["KeyMetadata"]["Arn"]
    old = connect_kms([key]).wrap(KEY, b"")
    both = connect_kms([other, key])
    assert both.wrap(KEY, b"").kek_id == other
    assert both.unwrap(old, b"") == KEY
    with pytest.raises(Misconfigured, match="not named"):
        connect_kms([other]).unwrap(old, b"")


def test_a_key_that_is_not_there_stops_the_start(kms: Any) -> None:
    with pytest.raises(Misconfigured, match="NotFoundException"):
        connect_kms(["11111111-2222-3333-4444-555555555555"])
    with pytest.raises(Misconfigured, match="no KMS key is named"):
        connect_kms([])


def test_the_settings_choose_it(kms: Any, key: str, tmp_path: Any) -> None:
    chosen = Settings(home=tmp_path, key_provider=Provider.AWS_KMS, kms_keys=f" {key} ,")
    provider = key_provider(chosen, tmp_path)
    assert provider.current() == (key, 1)
    assert list(tmp_path.iterdir()) == [], "no keyring is made beside it"


def test_it_takes_over_from_a_keyring(kms: Any, key: str, tmp_path: Any) -> None:
    old = FileKeyring.create(tmp_path / "keyring.json").wrap(KEY, b"context")
    chosen = Settings(home=tmp_path, key_provider=Provider.AWS_KMS, kms_keys=key)
    provider = key_provider(chosen, tmp_path)
    assert provider.unwrap(old, b"context") == KEY
    fresh = provider.wrap(KEY, b"context")
    assert fresh.kek_id == key and provider.unwrap(fresh, b"context") == KEY


class Failing:
    """A client whose calls all fail alike."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def describe_key(self, **_: Any) -> Any:
        raise self.error


def refusal(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "DescribeKey")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (EndpointConnectionError(endpoint_url="https://kms.invalid"), KeysUnavailable),
        (refusal("KMSInternalException", 500), KeysUnavailable),
        (refusal("ThrottlingException", 400), KeysUnavailable),
        (refusal("AccessDeniedException", 400), Misconfigured),
        (refusal("DisabledException", 400), Misconfigured),
    ],
)
def test_what_may_pass_and_what_may_not_are_told_apart(error: Exception, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        AwsKms(Failing(error), ["key"])
