"""How often one address and one principal may ask: token buckets, in this process's memory.

Sign-ins are not limited here: replicas would multiply the attempts, so those buckets lie in the
database (`api.identity.attempts`; docs/adr/0013).
"""

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from infra.errors import CloisterError
from infra.settings import Settings

# Beyond this many the least recently used are forgotten: memory stays bounded, whoever asks.
MOST = 20_000
BURST_SECONDS = 10
PLACE_SECONDS = 5


class TooMany(CloisterError):
    """Asked too often; `retry_after` says in how many seconds it may be tried again."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("too many requests")
        self.retry_after = max(1, math.ceil(retry_after))


class TooManyFiles(TooMany):
    """As many files are read as may be, of one principal or of all."""


class NoMoreCodes(TooMany):
    """As many codes went to an address, or by a clinic's page, as may; whose it is plays no part."""


@dataclass(frozen=True)
class Rates:
    """Requests a second of one principal, of one address, and sign-in attempts a minute; 0 is no limit."""

    principal: float
    address: float
    sign_ins: float

    @classmethod
    def of(cls, chosen: Settings) -> "Rates":
        """As the settings say; several people may share an address, so it gets twice a principal's."""
        return cls(chosen.requests_per_second, 2 * chosen.requests_per_second, chosen.sign_ins_per_minute)


class Buckets:
    """Token buckets by name, each full at first: `BURST_SECONDS` of its rate."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_second
        self._burst = max(1.0, per_second * BURST_SECONDS)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, name: str) -> None:
        """Take one token.

        Raises:
            TooMany: the bucket is empty.
        """
        if not self._rate:
            return
        now = self._clock()
        tokens, filled_at = self._buckets.pop(name, (self._burst, now))
        tokens = min(self._burst, tokens + (now - filled_at) * self._rate)
        taken = tokens >= 1
        self._buckets[name] = (tokens - taken, now)
        if len(self._buckets) > MOST:
            self._buckets.popitem(last=False)
        if not taken:
            raise TooMany((1 - tokens) / self._rate)


class Places:
    """So many at a time and no more, of each name where they are named; one more is refused as this."""

    def __init__(self, most: int, refusal: type[TooMany] = TooMany) -> None:
        self._most = most
        self._refusal = refusal
        self._held: Counter[str] = Counter()

    @contextmanager
    def place(self, name: str = "") -> Iterator[None]:
        """Hold a place.

        Raises:
            TooMany: all are taken.
        """
        if self._held[name] >= self._most:
            raise self._refusal(PLACE_SECONDS)
        self._held[name] += 1
        try:
            yield
        finally:
            self._held[name] -= 1
            if not self._held[name]:
                del self._held[name]


def address_name(address: str | None) -> str:
    """What of an address is one sender's: all of IPv4, the first 64 bits of IPv6 (RFC 6177)."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return "none"
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
    return str(found)
