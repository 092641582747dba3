"""The IP address of a caller, by which rate limits count; only trusted proxies may forward it."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from ...settings.parsers import Network

Host = IPv4Address | IPv6Address

UNKNOWN = "unknown"
"""The address of all callers without a usable one: they share their limits, so that hiding it evades none."""

_IPV6_PREFIX = 64


class ClientAddress:
    """Finds the caller's address: the peer of the connection, or the one that trusted proxies forward.

    Reads X-Forwarded-For from right to left over trusted hops; the first hop that is not trusted is the caller.
    """

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)

    def find(self, peer: str | None, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Returns an IPv4 address, an IPv6 network of 64 bits, or "unknown"."""
        if not self._trusted:
            return _direct(peer)
        host = _host(peer)
        if host is None or not self._is_trusted(host):
            return _key(host)
        forwarded = ",".join(value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for")
        return _key(self._first_untrusted(host, forwarded.split(",") if forwarded.strip() else []))

    def _first_untrusted(self, host: Host | None, hops: list[str]) -> Host | None:
        while hops and host is not None and self._is_trusted(host):
            host = _host(hops.pop().strip())
        return host

    def _is_trusted(self, host: Host) -> bool:
        return any(host in network for network in self._trusted)


@lru_cache(4096)
def _direct(peer: str | None) -> str:
    return _key(_host(peer))


def _host(text: str | None) -> Host | None:
    try:
        host = ip_address(text or "")
    except ValueError:
        return None
    if isinstance(host, IPv6Address) and host.ipv4_mapped is not None:
        return host.ipv4_mapped
    return host


def _key(host: Host | None) -> str:
    if host is None:
        return UNKNOWN
    if isinstance(host, IPv6Address):
        return str(IPv6Network((int(host), _IPV6_PREFIX), strict=False))
    return str(host)
