"""Calls that development mode refuses: those of other machines, and those that came through https, so through a proxy."""

from litestar.types import HTTPScope

from ....domain.networks import read_host

_SCHEME_HEADERS = frozenset(
    {b"forwarded", b"x-forwarded-proto", b"x-forwarded-protocol", b"x-forwarded-scheme", b"x-forwarded-ssl", b"front-end-https"}
)


def is_from_elsewhere(scope: HTTPScope) -> bool:
    peer = read_host(scope["client"][0]) if scope["client"] else None
    if peer is not None and not peer.is_loopback:
        return True
    return any(_tells_of_https(value.lower()) for name, value in scope["headers"] if name in _SCHEME_HEADERS)


def _tells_of_https(value: bytes) -> bool:
    return b"https" in value or value.strip() == b"on"


def is_own_name(host: str) -> bool:
    """Returns whether a `Host` header names this machine: the name of a stranger's page may resolve to it (DNS rebinding)."""
    name = host.lower().rpartition(":")[0] if not host.endswith("]") and ":" in host else host.lower()
    address = read_host(name.strip("[]"))
    return address.is_loopback if address else name == "localhost" or name.endswith(".localhost")
