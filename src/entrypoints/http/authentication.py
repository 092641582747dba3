"""Whose call it is: the bearer token out of the `Authorization` header (RFC 6750, section 2.1)."""

from ...application import Identity, InvalidToken, NotAuthenticated
from ..vestibule import Vestibule
from .given import Call


def authenticated(request: Call, vestibule: Vestibule) -> Identity:
    """Runs in the event loop, for it is short: a token seen before costs no signature check.

    Raises `NotAuthenticated` without a bearer token, `InvalidToken` for a bad one, `Unavailable`.
    """
    return vestibule.authenticate(_bearer_token(request))


def perhaps_authenticated(request: Call, vestibule: Vestibule) -> Identity | None:
    """The same where no login is needed: a bad header changes nothing."""
    try:
        return vestibule.authenticate(_bearer_token(request))
    except (NotAuthenticated, InvalidToken):
        return None


def _bearer_token(request: Call) -> str | None:
    """None where there is no such header, or one of another scheme."""
    found = None
    for name, value in request.scope["headers"]:
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
