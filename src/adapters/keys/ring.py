"""One set of keys, made ready for use."""

from typing import Any

import jwt

from .keyset import Keys, SigningKey
from .lifecycle import terms
from .refresh_tokens import RefreshTokens
from .token_cache import VerifiedTokens

ALGORITHM = "EdDSA"
TYPE = "at+jwt"


class Ring:
    """What `keys` make and verify; what was verified with them is remembered here, and forgotten with them.

    `by_header` has, by the first part of the tokens that it signs, each signing key and when it ends to verify.
    """

    def __init__(self, keys: Keys, *, keep: int, grace: float) -> None:
        self.keys = keys
        self.by_header = {_header(term.key): (term.key, term.ends(grace)) for term in terms(keys.signing)}
        self.verified = VerifiedTokens(keep)
        self.refresh = RefreshTokens(keys.refresh)


def signed(claims: dict[str, Any], key: SigningKey) -> str:
    return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.kid, "typ": TYPE})


def _header(key: SigningKey) -> str:
    return signed({}, key).partition(".")[0]
