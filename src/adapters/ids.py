"""Random identifiers (port `NewId`)."""

from itertools import product
from secrets import randbits

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = ["".join(pair) for pair in product(_ALPHABET, repeat=2)]


def new_id() -> str:
    """Returns 26 characters of Crockford's base 32: 130 random bits."""
    bits = randbits(130)
    return "".join([_PAIRS[bits >> shift & 1023] for shift in range(0, 130, 10)])
