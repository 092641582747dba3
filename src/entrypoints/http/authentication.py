"""Whose call it is: the bearer token out of the `Authorization` header (RFC 6750, section 2.1)."""

from collections.abc import Iterable

from ... import verify
from ...application import Identity, InvalidToken, NotAuthenticated
from ...verify.bearer import bearer_token as parse_bearer_token
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
    """Returns None without a header of the bearer scheme. Raises `InvalidToken` for a malformed header, or several."""
    try:
        return parse_bearer_token([value.decode("latin-1") for name, value in headers if name == b"authorization"])
    except verify.InvalidToken:
        raise InvalidToken from None
