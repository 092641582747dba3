"""A fast hasher for tests: it keeps the promises of the port, but offers no security."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import ClassVar

from ...application.ports import HashKind
from .algorithms import PasswordHash, UnusableHash
from .arenas import Arenas
from .formats import Formats
from .spellings import normal_spelling, spellings

_SEPARATORS = 3


class InsecureHasher:
    """Salted SHA-256, in microseconds. Never for real passwords: a graphics card tries billions of guesses a second.

    Hashes with another `marker` need a rehash. Verifies the hashes of other systems too, at their own cost.
    """

    def __init__(self, marker: str = "1") -> None:
        self._marker = marker
        self._formats = Formats(Arenas(8))

    def hash(self, password: str) -> str:
        salt = secrets.token_hex(8)
        return f"quick${self._marker}${salt}${_digest(salt, normal_spelling(password))}"

    def verify(self, password_hash: str | None, password: str) -> bool:
        try:
            stored = self._read(password_hash or "")
        except UnusableHash:
            return False
        return any(stored.matches(spelling) for spelling in spellings(password))

    def needs_rehash(self, password_hash: str) -> bool:
        return password_hash.split("$")[:2] != ["quick", self._marker] or password_hash.count("$") != _SEPARATORS

    def kind_of(self, password_hash: str) -> HashKind:
        if password_hash.startswith("quick$"):
            return HashKind(_QuickHash.name, is_usable=True)
        return self._formats.kind_of(password_hash)

    def _read(self, password_hash: str) -> PasswordHash:
        match password_hash.split("$"):
            case ["quick", _, salt, digest]:
                return _QuickHash(salt, digest)
            case _:
                return self._formats.read(password_hash)


@dataclass(frozen=True, slots=True)
class _QuickHash:
    salt: str
    digest: str
    name: ClassVar[str] = "quick"
    is_weak: ClassVar[bool] = False

    def matches(self, password: bytes) -> bool:
        return hmac.compare_digest(self.digest.encode("utf-8", "replace"), _digest(self.salt, password).encode())


def _digest(salt: str, password: bytes) -> str:
    return hashlib.sha256(salt.encode("utf-8", "surrogatepass") + b"$" + password).hexdigest()
