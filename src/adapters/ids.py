"""Random identifiers (port `NewId`)."""

from secrets import randbits

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id() -> str:
    """Returns 26 characters of Crockford's base 32: 130 random bits."""
    bits = randbits(130)
    return "".join(_ALPHABET[bits >> shift & 31] for shift in range(0, 130, 5))
