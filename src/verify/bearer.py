"""The bearer token of an `Authorization` header (RFC 6750 § 2.1)."""

from collections.abc import Sequence

from .refusals import InvalidToken

_OWS = " \t"
"""Optional whitespace of RFC 9110. `str.strip` alone would also remove no-break spaces."""


def bearer_token(headers: Sequence[str]) -> str | None:
    """Returns the token, or None without a header of the bearer scheme. `headers` are all `Authorization` headers of a request.

    Raises `InvalidToken` for several headers, and for a token that is empty or not ASCII.
    """
    if not headers:
        return None
    if len(headers) > 1:
        raise InvalidToken
    scheme, _, token = headers[0].strip(_OWS).partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = token.strip(_OWS)
    if not token or not token.isascii():
        raise InvalidToken
    return token
