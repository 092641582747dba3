"""The names that the service answers to: what asks for another one was led here by somebody else's DNS or link."""

from collections.abc import Iterable


class Hosts:
    """Compares the `Host` header with the names, without regard to case or port."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name.encode() for name in names)

    def include(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether there is one such header, and it is one of the names."""
        given = [value for name, value in headers if name == b"host"]
        return len(given) == 1 and _without_port(given[0].lower()) in self._names


def _without_port(host: bytes) -> bytes:
    name, colon, port = host.rpartition(b":")
    return name if colon and (port.isdigit() or not port) else host
