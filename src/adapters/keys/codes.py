"""One-time codes and keyed digests: HMAC-SHA-256 (RFC 2104) with secrets that are not in the database."""

import hmac
from collections.abc import Callable
from time import time

from jwt.utils import base64url_encode

from ...domain.code import CodePurpose
from .keyset import KeySet, KeySource
from .lifecycle import active_key

MIN_DIGITS = 4
MAX_DIGITS = 10
_DIGEST_BYTES = 16


class HmacCodes:
    """The port `Codes`. Raises `ValueError` for less than 4 or more than 10 digits.

    The id of a challenge ends in the number of its secret, so its code stays the same while that secret exists, and is wrong
    once that is removed. Digests use a secret of their own, which is not rotated.
    """

    def __init__(self, keys: KeySource, digits: int = 6, clock: Callable[[], float] = time) -> None:
        if not MIN_DIGITS <= digits <= MAX_DIGITS:
            raise ValueError(f"a code has {MIN_DIGITS} to {MAX_DIGITS} digits, not {digits}")
        self._source = keys
        self._digits = digits
        self._clock = clock

    def new_challenge_id(self, challenge_id: str) -> str:
        return f"{challenge_id}-{active_key(self._source.current().codes, self._clock()).number}"

    def code(self, challenge_id: str, purpose: CodePurpose, canonical: str) -> str:
        secret = self._secret_of(challenge_id, self._source.current())
        digest = _digest(secret, "code", challenge_id, purpose.value, canonical)
        # 256 bits against 34 at most: the remainder favours no code by more than one part in 2**222.
        return f"{int.from_bytes(digest) % 10**self._digits:0{self._digits}}"

    def keyed_digest(self, text: str) -> str:
        """Returns 22 characters of base64url, 128 bits, for any text."""
        digest = _digest(self._source.current().digests[-1].key, "digest", text)
        return base64url_encode(digest[:_DIGEST_BYTES]).decode("ascii")

    def _secret_of(self, challenge_id: str, keys: KeySet) -> bytes:
        """An id without the number of an existing secret gets the active one: any id has a code, as a decoy needs."""
        number = challenge_id.rpartition("-")[2]
        named = next((secret for secret in keys.codes if str(secret.number) == number), None)
        return (named or active_key(keys.codes, self._clock())).key


def _digest(secret: bytes, *parts: str) -> bytes:
    """Prefixes each part with its length, so that different lists of parts never give the same message."""
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    message = b"".join(len(part).to_bytes(8) + part for part in encoded)
    return hmac.digest(secret, message, "sha256")
