"""Whatever address an endpoint's name resolves to, and however its URL is written: nothing behind this server."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.addresses import fault_of_url, is_public, may_be_reached, networks

# IANA's registries of special-purpose addresses, RFC 6890; multicast; and metadata services of clouds.
CLOSED_4 = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.2.0/24",
    "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    "169.254.169.254/32", "100.100.100.200/32", "168.63.129.16/32", "255.255.255.255/32",
]  # fmt: skip
CLOSED_6 = [
    "::/128", "::1/128", "::/96", "100::/64", "2001::/32", "2001:db8::/32", "2002::/16", "fc00::/7",
    "fd00:ec2::254/128", "fe80::/10", "fec0::/10", "ff00::/8", "3fff::/20", "64:ff9b:1::/48", "5f00::/16",
]  # fmt: skip
OPEN = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001:82a::200e", "64:ff9b::8.8.8.8"]


def inside(ranges: list[str]) -> st.SearchStrategy[int]:
    spans = [ip_network(text) for text in ranges]
    return st.one_of(*(st.integers(int(span.network_address), int(span.broadcast_address)) for span in spans))


closed_4 = inside(CLOSED_4).map(IPv4Address)
any_4 = st.integers(0, 2**32 - 1).map(IPv4Address)


def forms(address: IPv4Address) -> list[IPv6Address]:
    """An IPv4 address inside of IPv6 ones: mapped, compatible, 6to4, NAT64, Teredo."""
    number = int(address)
    return [
        IPv6Address(0xFFFF << 32 | number), IPv6Address(number), IPv6Address(0x2002 << 112 | number << 80),
        IPv6Address(int(IPv6Address("64:ff9b::")) | number),
        IPv6Address(int(IPv6Address("2001::")) | (number ^ 0xFFFFFFFF)),
    ]  # fmt: skip


@pytest.mark.parametrize("text", OPEN)
def test_public_addresses_are_reached(text: str) -> None:
    assert is_public(ip_address(text)) and may_be_reached(ip_address(text), ())


@given(closed_4)
def test_no_special_address_is_in_any_form(address: IPv4Address) -> None:
    assert not is_public(address)
    assert [form for form in forms(address) if is_public(form)] == []
    assert fault_of_url(f"https://{address}/hook", ()) == "not_public"
    for form in forms(address):
        assert fault_of_url(f"https://[{form}]/hook", ()) == "not_public"


@given(inside(CLOSED_6).map(IPv6Address))
def test_no_special_address_of_ipv6_is(address: IPv6Address) -> None:
    assert not is_public(address) and not is_public(IPv6Address(f"{address}%1"))


@given(any_4)
def test_an_address_is_as_public_as_the_one_that_it_stands_for(address: IPv4Address) -> None:
    mapped, compatible, sixtofour, translated, teredo = forms(address)
    assert is_public(mapped) == is_public(translated) == is_public(address)
    assert not is_public(compatible) and not is_public(sixtofour) and not is_public(teredo)


@given(any_4, st.integers(8, 32))
def test_an_allowed_network_is_that_network_alone(address: IPv4Address, bits: int) -> None:
    (allowed,) = networks(f" {ip_network((address, bits), strict=False)} ,")
    assert may_be_reached(address, [allowed]) and may_be_reached(forms(address)[0], [allowed])
    for other in (IPv4Address("10.0.0.1"), IPv4Address("169.254.169.254"), IPv6Address("::1")):
        assert may_be_reached(other, [allowed]) == (other in allowed)


@given(st.integers(0, 70_000), st.sampled_from(["hooks.example", "8.8.8.8", "[2606:4700:4700::1111]"]))
def test_a_port_is_that_of_tls_or_above_the_systems_own(port: int, host: str) -> None:
    fault = fault_of_url(f"https://{host}:{port}/hook", ())
    assert (fault is None) == (port == 443 or 1024 <= port <= 65535)
    assert fault in (None, "port", "no_url")


@given(st.text(max_size=60))
def test_no_text_breaks_the_rule_or_smuggles_another_host(text: str) -> None:
    assert fault_of_url(text, ()) is None or isinstance(fault_of_url(text, ()), str)
    if set(text) & set("@\\#\r\n\t "):
        assert fault_of_url(f"https://hooks.example{text}", ()) is not None


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://hooks.example/", "not_https"), ("ftp://hooks.example/", "not_https"), ("hooks.example", "not_https"),
        ("https://", "no_url"), ("https:///path", "no_url"), ("https://user:pass@hooks.example/", "no_url"),
        ("https://hooks.example@127.0.0.1/", "no_url"), ("https://hooks.example/#x", "no_url"),
        ("https://127.0.0.1/", "not_public"), ("https://[::1]/", "not_public"),
        ("https://[fe80::1%25eth0]/", "not_public"), ("https://hooks_.example/", "no_url"),
        ("https://höoks.example/", "no_url"), ("https://hooks.example:x/", "no_url"),
        ("https://hooks.example:22/", "port"), ("https://hooks.example/" + "a" * 2000, "no_url"),
        ("https://hooks.example/a?b=c", None), ("https://hooks.example:8443", None), ("https://Hooks.Example/", None),
    ],
)  # fmt: skip
def test_a_url_that_is_none_is_told_why(url: str, fault: str | None) -> None:
    assert fault_of_url(url, ()) == fault
