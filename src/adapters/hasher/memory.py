"""A fast hasher for tests: it keeps the promises of the port, but offers no security."""

import hashlib
import hmac
import secrets

from ...application.ports import HashKind
from ...domain.password import normalised

_SEPARATORS = 3


class InsecureHasher:
    """Salted SHA-256, in microseconds. Never for real passwords: a graphics card tries billions of guesses a second.

    Hashes with another `marker` need a rehash.
    """

    def __init__(self, marker: str = "1") -> None:
        self._marker = marker

    def hash(self, password: str) -> str:
        salt = secrets.token_hex(8)
        return f"quick${self._marker}${salt}${_digest(salt, password)}"

    def verify(self, password_hash: str | None, password: str) -> bool:
        match (password_hash or "").split("$"):
            case ["quick", _, salt, digest]:
                return hmac.compare_digest(digest.encode("utf-8", "replace"), _digest(salt, password).encode())
            case _:
                return False

    def kind_of(self, password_hash: str) -> HashKind:
        name = password_hash.partition("$")[0]
        if password_hash.strip().startswith("!") or not password_hash.strip():
            return HashKind("unusable", is_usable=False, reason="marks an account without a password")
        if name == "md5":
            return HashKind("md5", is_usable=True, is_weak=True)
        return HashKind("quick", True) if name == "quick" else HashKind("unknown", False, reason="is in no known format")

    def needs_rehash(self, password_hash: str) -> bool:
        return password_hash.split("$")[:2] != ["quick", self._marker] or password_hash.count("$") != _SEPARATORS


def _digest(salt: str, password: str) -> str:
    return hashlib.sha256(f"{salt}${normalised(password)}".encode("utf-8", "surrogatepass")).hexdigest()
