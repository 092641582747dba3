"""The token out of the `Authorization` header (RFC 6750 § 2.1)."""

from collections.abc import Sequence

from .refusals import InvalidToken


def bearer_token(headers: Sequence[str]) -> str | None:
    """None where no header is of this scheme. Raises `InvalidToken` where it cannot be read, or there are several."""
    if not headers:
        return None
    if len(headers) > 1:
        raise InvalidToken
    scheme, _, token = headers[0].strip().partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = token.strip()
    if not token or not token.isascii():
        raise InvalidToken
    return token
