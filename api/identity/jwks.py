"""The public keys of an external issuer: fetched, kept for a while, fetched again when they rotate.

A key set is kept for ten minutes. A `kid` that is not in it makes us ask once more, at most every
half minute, so that made-up tokens cannot make us hammer the issuer. While the issuer does not
answer, keys that we have stay good for a day; what needs another key is told to come again (503).
"""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from infra.errors import CloisterError
from infra.log import where

KEPT_SECONDS = 600.0
STALE_SECONDS = 86_400.0
PAUSE_SECONDS = 30.0
TIMEOUT_SECONDS = 3.0
# Discovery and key set together, however slowly they drip.
PATIENCE_SECONDS = 6.0
LARGEST = 256 * 1024
MOST_KEYS = 100
SMALLEST_RSA_BITS = 2048

# Key type of each algorithm that may be pinned; all are asymmetric.
TYPES: dict[str, type[RSAKey | ECKey | OKPKey]] = {
    "RS256": RSAKey, "PS256": RSAKey, "ES256": ECKey, "ES384": ECKey, "EdDSA": OKPKey, "Ed25519": OKPKey,
}  # fmt: skip
CURVES = {"ES256": "P-256", "ES384": "P-384", "EdDSA": "Ed25519", "Ed25519": "Ed25519"}

log = structlog.get_logger()


class IssuerUnavailable(CloisterError):
    """The issuer's keys cannot be fetched now, so a token of its cannot be judged."""


class KeySource:
    """Keys of one issuer by `kid`, for one pinned algorithm."""

    def __init__(
        self, issuer: str, jwks_url: str | None, algorithm: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._algorithm = algorithm
        self._clock = clock
        self._keys: dict[str, Key] = {}
        self._fetched_at = self._asked_at = float("-inf")
        self._answered = True
        self._lock = asyncio.Lock()

    async def find(self, key_id: str) -> Key | None:
        """The key of that id; None if the issuer has no such key.

        Raises:
            IssuerUnavailable: not known, and the issuer does not answer.
        """
        if key_id not in self._keys or self._age() > KEPT_SECONDS:
            await self._refresh(key_id)
        if self._age() <= STALE_SECONDS and (key := self._keys.get(key_id)):
            return key
        if not self._answered:
            raise IssuerUnavailable("the issuer's keys cannot be fetched")
        return None

    def _age(self) -> float:
        return self._clock() - self._fetched_at

    async def _refresh(self, key_id: str) -> None:
        if self._lock.locked() and key_id in self._keys:
            return
        async with self._lock:
            if self._clock() - self._asked_at < PAUSE_SECONDS:
                return
            self._asked_at = self._clock()
            try:
                self._keys = await self._fetch()
                self._fetched_at, self._answered = self._clock(), True
            except (httpx.HTTPError, TimeoutError, ValueError, RecursionError, httpx.InvalidURL) as error:
                self._answered = False
                log.warning("issuer keys not fetched", **where(error))

    async def _fetch(self) -> dict[str, Key]:
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client,
        ):
            found = await _document(client, self._jwks_url or await self._discovered(client))
        listed = found.get("keys")
        if not isinstance(listed, list):
            raise ValueError("no key set")
        return usable(listed[:MOST_KEYS], self._algorithm)

    async def _discovered(self, client: httpx.AsyncClient) -> str:
        """Where the issuer says its keys are (OpenID Connect Discovery 1.0, section 4)."""
        found = await _document(client, f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        url = found.get("jwks_uri")
        if found.get("issuer") != self._issuer or not isinstance(url, str) or not may_be_fetched(url):
            raise ValueError("not that issuer's configuration")
        return url


def may_be_fetched(url: str) -> bool:
    """Whether keys from there can be trusted: over TLS, or from this machine."""
    try:
        found = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return False
    return found.scheme == "https" or (found.scheme == "http" and found.host in {"127.0.0.1", "::1", "localhost"})


def usable(listed: list[Any], algorithm: str) -> dict[str, Key]:
    """The public keys of a key set that may verify that algorithm, by id; of two with one id the first."""
    keys: dict[str, Key] = {}
    for item in listed:
        if key := _usable(item, algorithm):
            keys.setdefault(str(item["kid"]), key)
    return keys


def _usable(item: Any, algorithm: str) -> Key | None:
    if not isinstance(item, dict) or not isinstance(item.get("kid"), str) or item.get("use", "sig") != "sig":
        return None
    kind = TYPES[algorithm]
    if item.get("kty") != kind.key_type or item.get("alg", algorithm) != algorithm:
        return None
    if item.get("crv") != CURVES.get(algorithm):
        return None
    try:
        key = kind.import_key({name: value for name, value in item.items() if name not in {"d", "use", "key_ops"}})
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return None if isinstance(key, RSAKey) and key.public_key.key_size < SMALLEST_RSA_BITS else key


async def _document(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    body = b""
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    async with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code != 200:
            raise ValueError("no such document")
        async for piece in answer.aiter_raw():
            body += piece
            if len(body) > LARGEST:
                raise ValueError("too large")
    found = json.loads(body)
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found
