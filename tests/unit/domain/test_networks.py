"""The networks by which limits count, and `Caller`, which makes them of addresses."""

from copy import copy
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.domain.events import TRUSTED_CALLER, Caller
from vestibule.domain.networks import UNKNOWN_NETWORK, network_of, site_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8::1", "2001:db8::/64"),
        ("2001:db8:1:2::/64", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", UNKNOWN_NETWORK),
        ("testclient", UNKNOWN_NETWORK),
        ("192.0.2.0/24", UNKNOWN_NETWORK),
        ("2001:db8::/32", UNKNOWN_NETWORK),
        ("/64", UNKNOWN_NETWORK),
        ("unknown", UNKNOWN_NETWORK),
        ("\0\ud800", UNKNOWN_NETWORK),
    ],
)
def test_caller_has_the_network_of_its_address(address: str, network: str) -> None:
    assert Caller(address).ip_address == network
    assert replace(TRUSTED_CALLER, ip_address=address) == Caller(network)


def test_caller_without_an_address_has_none() -> None:
    assert Caller(user_agent="a phone").ip_address is None


@given(st.ip_addresses() | st.text())
def test_network_of_a_caller_stays_what_it_is(address: IPv4Address | IPv6Address | str) -> None:
    caller = Caller(str(address))
    assert copy(caller) == Caller(caller.ip_address) == caller


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**80 - 1))
def test_all_addresses_of_48_bits_are_one_site(address: int, other_bits: int) -> None:
    networks = [network_of(str(IPv6Address(number))) for number in (address, address ^ other_bits)]
    sites = [site_of(network) for network in networks]
    if sites[0] is not None and sites[1] is not None:
        assert sites[0] == sites[1]
        assert IPv6Network(networks[0]).subnet_of(IPv6Network(sites[0]))


def test_site_of_an_ipv6_network_is_written_shortly() -> None:
    assert site_of("2001:db8:1:2::/64") == "2001:db8:1::/48"


@pytest.mark.parametrize("network", ["192.0.2.1", UNKNOWN_NETWORK])
def test_only_ipv6_networks_are_part_of_a_site(network: str) -> None:
    assert site_of(network) is None
