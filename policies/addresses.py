"""Where deliveries may go: public addresses over TLS, so that nobody reaches what stands behind this server.

Rules of IANA's special-purpose registries (RFC 6890) as `ipaddress` knows them, and what those let through: multicast,
IPv4 addresses inside of IPv6 ones, and a cloud's metadata service on a public address.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST_URL = 2000
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# Teredo and 6to4 lead to any IPv4 address; the last are documentation's (RFC 9637), which `ipaddress` learns late.
_NOT_THOSE = (IPv6Network("2001::/32"), IPv6Network("2002::/16"), IPv6Network("3fff::/20"))
_TRANSLATED = IPv6Network("64:ff9b::/96")  # NAT64, RFC 6052: the last 32 bits are an IPv4 address
_METADATA = IPv4Address("168.63.129.16")  # Azure's
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\.?")
_LEAST_PORT, _TLS_PORT = 1024, 443


def networks(text: str) -> tuple[Network, ...]:
    """Networks of a text with commas between.

    Raises:
        ValueError: one of them is none.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def is_public(address: Address) -> bool:
    """Whether an address is somebody's on the public internet, whatever form it is written in."""
    address = plain(address)
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast and not address.is_reserved and address != _METADATA
    inside = address in _GLOBAL_UNICAST and not any(address in network for network in _NOT_THOSE)
    return inside and address.is_global and address.scope_id is None


def may_be_reached(address: Address, allowed: Iterable[Network]) -> bool:
    """Whether an address is public, or in a network that the operator allows."""
    found = plain(address)
    return is_public(found) or any(found in network for network in allowed if network.version == found.version)


def plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, if it does; else the address."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _TRANSLATED:
            return IPv4Address(address.packed[-4:])
    return address


def fault_of_url(url: str, allowed: Iterable[Network]) -> str | None:
    """The rule that an endpoint's URL breaks, as a word; None of a good one. What its name resolves to comes later."""
    try:
        found = urlsplit(url)
        host, port = found.hostname or "", _TLS_PORT if found.port is None else found.port
    except ValueError:
        return "no_url"
    if not url.startswith("https://"):
        return "not_https"
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or any(sign in url for sign in ' \\"<>'):
        return "no_url"
    if "@" in found.netloc or "#" in url:
        return "no_url"
    if port != _TLS_PORT and port < _LEAST_PORT:
        return "port"
    try:
        address = ip_address(host)
    except ValueError:
        return None if _HOST.fullmatch(host) and len(host) <= 253 else "no_url"
    return None if may_be_reached(address, allowed) else "not_public"
