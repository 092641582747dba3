"""One-time codes and keyed digests: HMAC-SHA-256 (RFC 2104) under secrets that are not in the database."""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ...domain.code import CodePurpose

MIN_SECRET_BYTES = 32
MIN_DIGITS = 4
MAX_DIGITS = 10
_BLIND_BYTES = 16


@dataclass(frozen=True, slots=True)
class CodeSecrets:
    """The secrets by their numbers, which of them new challenges are marked with, and the one that blinds.

    Raises `ValueError` for a secret below 32 bytes, and for a number that there is no secret of.
    """

    by_number: Mapping[int, bytes] = field(repr=False)
    newest: int
    blinding: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if self.newest not in self.by_number:
            raise ValueError("the newest secret for codes is one of them")
        for secret in (*self.by_number.values(), self.blinding):
            if len(secret) < MIN_SECRET_BYTES:
                raise ValueError(f"a secret for codes has {MIN_SECRET_BYTES} bytes or more, not {len(secret)}")

    @classmethod
    def single(cls, secret: bytes) -> "CodeSecrets":
        return cls({1: secret}, 1, secret)

    def of(self, challenge_id: str) -> bytes:
        """The one that the challenge is marked with; the newest, where there is none of that mark any more."""
        mark = challenge_id.rpartition("-")[2]
        return next((secret for number, secret in self.by_number.items() if str(number) == mark), self.by_number[self.newest])


class HmacCodes:
    """The port `Codes`. `secrets` is asked at each call, so that they may be rotated.

    A challenge is marked with the number of its secret, and its code stays the same for as long as that is there; taken
    away, the codes that were sent under it are not right any more. Digests are under a secret of their own, which stays.
    Raises `ValueError` for less than 4 or more than 10 digits.
    """

    def __init__(self, secrets: Callable[[], CodeSecrets], digits: int = 6) -> None:
        if not MIN_DIGITS <= digits <= MAX_DIGITS:
            raise ValueError(f"a code has {MIN_DIGITS} to {MAX_DIGITS} digits, not {digits}")
        self._secrets = secrets
        self._digits = digits

    def new_challenge_id(self, challenge_id: str) -> str:
        return f"{challenge_id}-{self._secrets().newest}"

    def code(self, challenge_id: str, flow: CodePurpose, address_key: str) -> str:
        digest = _digest(self._secrets().of(challenge_id), "code", challenge_id, flow.value, address_key)
        # 256 bits against 34 at most: the remainder favours no code by more than one part in 2**222.
        return f"{int.from_bytes(digest) % 10**self._digits:0{self._digits}}"

    def keyed_digest(self, text: str) -> str:
        """22 characters of base64url, 128 bits, of any text at all."""
        digest = _digest(self._secrets().blinding, "blind", text)
        return urlsafe_b64encode(digest[:_BLIND_BYTES]).rstrip(b"=").decode("ascii")


def _digest(secret: bytes, *parts: str) -> bytes:
    """Each part goes in with its length before it, so that no two lists of parts read alike."""
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    message = b"".join(len(part).to_bytes(8) + part for part in encoded)
    return hmac.digest(secret, message, "sha256")
