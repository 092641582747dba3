"""Whose call it is: the bearer token out of the `Authorization` header (RFC 6750, section 2.1)."""

from collections.abc import Iterable

from ...application import Identity, InvalidToken, NotAuthenticated
from ..async_facade import AsyncVestibule
from .dependencies import Call


async def authenticated(request: Call, vestibule: AsyncVestibule) -> Identity:
    """Raises `NotAuthenticated` without a bearer token, `InvalidToken` for a bad one, `Overloaded`, `Unavailable`."""
    identity = await vestibule.authenticate(bearer_token(request.scope["headers"]))
    request.scope["state"]["identity"] = identity
    return identity


async def perhaps_authenticated(request: Call, vestibule: AsyncVestibule) -> Identity | None:
    """The same where no login is needed: a bad header changes nothing."""
    try:
        return await authenticated(request, vestibule)
    except (NotAuthenticated, InvalidToken):
        return None


def bearer_token(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """None where there is no such header, or one of another scheme. Raises `InvalidToken` where it cannot be read."""
    found = None
    for name, value in headers:
        if name == b"authorization":
            if found is not None:
                raise InvalidToken
            found = value
    if found is None:
        return None
    scheme, _, token = found.strip().partition(b" ")
    if scheme.lower() != b"bearer":
        return None
    token = token.strip()
    if not token or not token.isascii():
        raise InvalidToken
    return token.decode("ascii")
