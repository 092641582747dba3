"""Middleware: refuses requests for other host names (DNS rebinding, links of strangers)."""

from collections.abc import Iterable


class AllowedHosts:
    """Compares the `Host` header with the allowed names, without regard to case or port."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name.encode() for name in names)

    def allow(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Returns whether there is exactly one `Host` header, and it is allowed."""
        hosts = [value for name, value in headers if name == b"host"]
        return len(hosts) == 1 and _without_port(hosts[0].lower()) in self._names


def _without_port(host: bytes) -> bytes:
    name, colon, port = host.rpartition(b":")
    return name if colon and (port.isdigit() or not port) else host
