"""Authentication by the bearer token of the `Authorization` header (RFC 6750, section 2.1)."""

from collections.abc import Iterable

from ... import verify
from ...application import Identity, InvalidToken, NotAuthenticated, Operator
from ...verify.bearer import bearer_token as parse_bearer_token
from .dependencies import HttpRequest, use_cases


async def authenticate(request: HttpRequest) -> Identity:
    """Raises `NotAuthenticated` without a bearer token, `InvalidToken` for a bad one, `Overloaded`, `Unavailable`."""
    state = request.scope["state"]
    identity: Identity = await use_cases(request).authenticate(bearer_token(request.scope["headers"]))
    state["identity"] = identity
    return identity


async def authenticate_optional(request: HttpRequest) -> Identity | None:
    """Returns None without a valid token, for calls that need no login."""
    try:
        has_token = bearer_token(request.scope["headers"]) is not None
        return await authenticate(request) if has_token else None
    except (NotAuthenticated, InvalidToken):
        return None


def identity_of(request: HttpRequest) -> Identity | None:
    """Returns the identity that `authenticate` or `authenticate_optional` has found, if any."""
    identity: Identity | None = request.scope["state"].get("identity")
    return identity


def operator_of(request: HttpRequest) -> Operator:
    """Returns the operator whom `OperatorsOnly` has let in."""
    return Operator(identity=request.scope["state"]["identity"])


def bearer_token(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Returns None without a header of the bearer scheme. Raises `InvalidToken` for a malformed header, or several."""
    try:
        return parse_bearer_token([value.decode("latin-1") for name, value in headers if name == b"authorization"])
    except verify.InvalidToken:
        raise InvalidToken from None
