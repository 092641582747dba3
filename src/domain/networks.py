"""The networks by which rate limits count callers: an IPv4 address, or the first 64 bits of an IPv6 address."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

UNKNOWN_NETWORK = "unknown"
"""The network of all callers without a usable address: they share their limits, so that hiding it evades none."""

_NETWORK_BITS = 64
_SITE_BITS = 48


def read_host(text: str) -> IPv4Address | IPv6Address | None:
    """Returns the address, an IPv4 address that is written as an IPv6 one (`::ffff:192.0.2.1`) as IPv4; None if it is none."""
    try:
        host = ip_address(text)
    except ValueError:
        return None
    return host.ipv4_mapped or host if isinstance(host, IPv6Address) else host


@lru_cache(4096)
def network_of(text: str) -> str:
    """Returns an IPv4 address, an IPv6 network of 64 bits, or `UNKNOWN_NETWORK` for a text that is no address.

    A network that this function returned is returned unchanged.
    """
    host = read_host(text.removesuffix(f"/{_NETWORK_BITS}"))
    if host is None:
        return UNKNOWN_NETWORK
    return str(IPv6Network((int(host), _NETWORK_BITS), strict=False)) if isinstance(host, IPv6Address) else str(host)


@lru_cache(4096)
def site_of(network: str) -> str | None:
    """Returns the first 48 bits of an IPv6 `network`, as `2001:db8:1::/48`: providers give a site as many. None for others."""
    if ":" not in network:
        return None
    return str(IPv6Network(ip_network(network)).supernet(new_prefix=_SITE_BITS))


def subscriber_of(network: str) -> str:
    """Returns the IPv6 site of the network, which one subscriber has, or the IPv4 network: for shares of scarce places."""
    return site_of(network) or network
