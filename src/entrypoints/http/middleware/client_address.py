"""The IP address of a caller, by which rate limits count; only trusted proxies may forward it."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address

from ....domain.networks import read_host
from ...settings.parsers import Network

Host = IPv4Address | IPv6Address


class ClientAddress:
    """Finds the caller's address: the peer of the connection, or the one that trusted proxies forward.

    Reads X-Forwarded-For from right to left over trusted hops; the first hop that is not trusted is the caller.
    """

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)

    def find(self, peer: str | None, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Returns the address, or a text that is none; `Caller` makes the network of it by which limits count."""
        if not self._trusted:
            return peer or ""
        host = read_host(peer or "")
        if host is None or not self._is_trusted(host):
            return peer or ""
        forwarded = ",".join(value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for")
        return str(self._first_untrusted(host, forwarded.split(",") if forwarded.strip() else []) or "")

    def _first_untrusted(self, host: Host | None, hops: list[str]) -> Host | None:
        while hops and host is not None and self._is_trusted(host):
            host = read_host(hops.pop().strip())
        return host

    def _is_trusted(self, host: Host) -> bool:
        return any(host in network for network in self._trusted)
