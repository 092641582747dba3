"""The IP address of a caller, by which rate limits count; only trusted proxies may forward it."""

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address

from ....domain.networks import read_host
from ...settings.parsers import Network

Host = IPv4Address | IPv6Address

_X_FORWARDED_FOR = b"x-forwarded-for"
_FORWARDED = b"forwarded"

_PORT = r"(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))"  # RFC 7239 has obfuscated ports too
_WITH_PORT = re.compile(rf"\[([^]]*)\]{_PORT}?|([0-9.]+){_PORT}|((?:[^:]*:){{7}}[^:]*){_PORT}")
_VALUE = r'(?:"(?:[^"\\]|\\.)*"|[^",;\\\s]*)'  # more than RFC 7239 allows without quotes: proxies write ports there
_PAIR = rf"([!#$%&'*+.^_`|~0-9A-Za-z-]+)=({_VALUE})"
_ELEMENT = re.compile(rf"\s*{_PAIR}(?:\s*;\s*{_PAIR})*\s*;?\s*")
_MAX_COMMAS = 10
_MAX_WARNINGS = 10
_MAX_PROXIES = 1000
_log = logging.getLogger("vestibule.http")


class ClientAddress:
    """Finds the caller's address: the peer of the connection, or the one that trusted proxies forward.

    Reads `header` from right to left over trusted hops; the first hop that is not trusted is the caller. Without `header`
    it reads X-Forwarded-For or Forwarded. A proxy that writes one of them may pass on the other, in which the caller wrote
    whatever it likes. The one that it writes came with every call: as soon as a call came without the other, that is known.

    A caller whose address cannot be read counts as unknown. All such callers share their limits, so the log says it once.
    """

    def __init__(self, trusted: Sequence[Network], header: str | None = None) -> None:
        self._trusted = tuple(trusted)
        self._names = (header.lower().encode(),) if header else (_X_FORWARDED_FOR, _FORWARDED)
        self._written: dict[Host, frozenset[bytes]] = {}
        self._given: set[tuple[str, str]] = set()

    def find(self, peer: str | None, headers: Iterable[tuple[bytes, bytes]], *, is_probe: bool = False) -> str:
        """Returns the address, or a text that is none; `Caller` makes the network of it by which limits count.

        A probe comes from a proxy itself, which forwards nothing then.
        """
        peer = peer or ""
        forwarded = self._forwarded(headers)
        proxy = read_host(peer) if self._trusted or forwarded else None
        if proxy is None:
            return peer
        if not self._is_trusted(proxy):
            if forwarded and not proxy.is_global:  # a client may send the header too, but hardly from the proxy's network
                self._warn("sends %s without being trusted: add a proxy to VESTIBULE_TRUSTED_PROXIES", proxy, forwarded)
            return peer
        if not forwarded:
            if not is_probe:
                self._warn("forwards no address of its caller: let it write %s", proxy, self._names)
            return peer
        names = self._written_by(proxy, frozenset(forwarded))
        found = {self._first_untrusted(proxy, name, forwarded[name]) for name in names}
        if len(found) > 1:
            self._warn("forwards different addresses in %s: name its own in VESTIBULE_CLIENT_ADDRESS_HEADER", proxy, forwarded)
            return ""
        return str(found.pop() or "")

    def _written_by(self, proxy: Host, present: frozenset[bytes]) -> frozenset[bytes]:
        """Returns those of the headers that came with every call from this proxy."""
        known = self._written.get(proxy)
        if known is None and len(present) == len(self._names):
            return present
        if known is None and len(self._written) >= _MAX_PROXIES:
            self._written.clear()
        self._written[proxy] = written = (known or present) & present or present
        return written

    def _forwarded(self, headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, str]:
        """Returns the text of each header that may forward an address, its lines joined by commas."""
        found: dict[bytes, str] = {}
        for name, value in headers:
            if name in self._names:
                text = value.decode("latin-1")
                found[name] = f"{found[name]},{text}" if name in found else text
        return {name: text for name, text in found.items() if text.strip()}

    def _first_untrusted(self, proxy: Host, name: bytes, text: str) -> Host | None:
        for hop in _elements(text) if name == _FORWARDED else _parts(text):
            host = _read_hop(hop)
            if host is None:
                self._warn("forwards no readable address in %s: let it write the IP address of its caller", proxy, [name])
                return None
            if not self._is_trusted(host):
                return host
            proxy = host
        return proxy

    def _is_trusted(self, host: Host) -> bool:
        return any(host in network for network in self._trusted)

    def _warn(self, problem: str, proxy: Host, names: Iterable[bytes]) -> None:
        """Logs a problem once for each proxy, of ten at most. The text that was forwarded may be an attacker's."""
        key = problem, str(proxy)
        if key not in self._given and len(self._given) < _MAX_WARNINGS:
            self._given.add(key)
            headers = " or ".join(name.decode().title() for name in names)
            _log.warning("%s %s; until then such callers share one limit", proxy, problem % headers)


def _parts(text: str) -> Iterator[str]:
    """Yields the parts between commas, the last one first."""
    comma = ","
    while comma:
        text, comma, part = text.rpartition(",")
        yield part


def _elements(text: str) -> Iterator[str]:
    """Yields the parameter `for` of each element of RFC 7239, the last one first; "" for an element without one.

    From the right, because a caller may send a quotation mark that is never closed, and a proxy appends its element to that.
    """
    end = len(text)
    while end >= 0:
        comma = end
        for _ in range(_MAX_COMMAS):  # a quoted value may contain some
            comma = text.rfind(",", 0, comma)
            if _ELEMENT.fullmatch(text, comma + 1, end):
                break
            if comma < 0:
                yield ""
                return
        else:
            yield ""
            return
        values = [value for name, value in re.findall(_PAIR, text[comma + 1 : end]) if name.lower() == "for"]
        yield re.sub(r"\\(.)", r"\1", values[0].strip('"')) if len(values) == 1 else ""
        end = comma


def _read_hop(text: str) -> Host | None:
    """Returns the address of `203.0.113.7`, `203.0.113.7:51234`, `2001:db8::1`, `[2001:db8::1]:443` and the like."""
    text = text.strip().removeprefix('"').removesuffix('"')
    with_port = _WITH_PORT.fullmatch(text)
    return read_host(next(filter(None, with_port.groups()), "") if with_port else text)
