"""Tokens by which a running server knows its operator: who can make one has the keys of the service."""

import hmac
import re
from secrets import token_hex

from ...application.ports import Clock, Codes

HEADER = "X-Vestibule-Operator"
"""The header of a request that carries a token."""

SECONDS = 60
_TOKEN = re.compile(r"([0-9]{1,12})\.[0-9a-f]{32}\.([A-Za-z0-9_-]{1,64})")


def new_token(codes: Codes, now: float) -> str:
    """Returns a token for one minute, with a keyed digest that nothing else is stored under."""
    text = f"{int(now)}.{token_hex(16)}"
    return f"{text}.{codes.keyed_digest(f'operator {text}')}"


def is_token(codes: Codes, clock: Clock, token: str) -> bool:
    """Returns whether `new_token` made the token less than a minute ago, by clocks that differ by a minute at most."""
    match = _TOKEN.fullmatch(token)
    if match is None or abs(clock() - float(match[1])) > SECONDS:
        return False
    text = token.rpartition(".")[0]
    return hmac.compare_digest(match[2], codes.keyed_digest(f"operator {text}"))
