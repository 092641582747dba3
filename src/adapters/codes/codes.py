"""One-time codes and keyed digests: HMAC-SHA-256 (RFC 2104) under a secret that is not in the database."""

import hmac
from base64 import urlsafe_b64encode

from ...domain.code import Flow

MIN_SECRET_BYTES = 32
MIN_DIGITS = 4
MAX_DIGITS = 10
_BLIND_BYTES = 16


class HmacCodes:
    """The port `Codes`. Another secret makes other codes and digests, so that the ones under way are not right any more.

    Raises `ValueError` for a secret below 32 bytes, and for less than 4 or more than 10 digits.
    """

    def __init__(self, secret: bytes, digits: int = 6) -> None:
        if len(secret) < MIN_SECRET_BYTES:
            raise ValueError(f"the secret for codes has {MIN_SECRET_BYTES} bytes or more, not {len(secret)}")
        if not MIN_DIGITS <= digits <= MAX_DIGITS:
            raise ValueError(f"a code has {MIN_DIGITS} to {MAX_DIGITS} digits, not {digits}")
        self._secret = secret
        self._digits = digits

    def code(self, challenge_id: str, flow: Flow, address_key: str) -> str:
        digest = self._digest("code", challenge_id, flow.value, address_key)
        # 256 bits against 34 at most: the remainder favours no code by more than one part in 2**222.
        return f"{int.from_bytes(digest) % 10**self._digits:0{self._digits}}"

    def blind(self, text: str) -> str:
        """22 characters of base64url, 128 bits, of any text at all."""
        return urlsafe_b64encode(self._digest("blind", text)[:_BLIND_BYTES]).rstrip(b"=").decode("ascii")

    def _digest(self, *parts: str) -> bytes:
        """Each part goes in with its length before it, so that no two lists of parts read alike."""
        encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
        message = b"".join(len(part).to_bytes(8) + part for part in encoded)
        return hmac.digest(self._secret, message, "sha256")
