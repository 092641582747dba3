"""Who calls: the address that limits are counted by, seen through trusted proxies only."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network
Host = IPv4Address | IPv6Address

UNKNOWN = "unknown"
"""What callers without a usable address share, so that no limit is evaded by hiding it."""

_IPV6_PREFIX = 64


class Callers:
    """Reads the caller's address off a connection: its peer, or what the trusted proxies before it say.

    X-Forwarded-For is walked from right to left over trusted hops; the first that is not trusted is the caller.
    """

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)

    def address(self, peer: str | None, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """An IPv4 address, an IPv6 network of 64 bits, or "unknown"."""
        if not self._trusted:
            return _direct(peer)
        host = _host(peer)
        if host is None or not self._trusts(host):
            return _key(host)
        forwarded = ",".join(value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for")
        return _key(self._beyond(host, forwarded.split(",") if forwarded.strip() else []))

    def _beyond(self, host: Host | None, hops: list[str]) -> Host | None:
        while hops and host is not None and self._trusts(host):
            host = _host(hops.pop().strip())
        return host

    def _trusts(self, host: Host) -> bool:
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
