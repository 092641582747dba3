"""The check of the `Host` header, which prevents DNS rebinding and links with the host names of others."""

from collections.abc import Collection, Iterable


def has_allowed_host(headers: Iterable[tuple[bytes, bytes]], allowed: Collection[bytes]) -> bool:
    """Returns whether there is exactly one `Host` header, and it is allowed, without regard to case or port."""
    hosts = [value.lower() for name, value in headers if name == b"host"]
    return len(hosts) == 1 and _without_port(hosts[0]) in allowed


def _without_port(host: bytes) -> bytes:
    name, colon, port = host.rpartition(b":")
    return name if colon and (port.isdigit() or not port) else host
