"""The algorithms of password hashes, each with a limit on its cost.

The limits keep the slowest hash at about a second: no imported row may stall the hashing threads.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import ClassVar, Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ...domain.errors import Overloaded
from .arenas import Arenas, Cost

MAX_TIME_COST = 10
MAX_MEMORY_KIB = 1024 * 1024
MAX_PARALLELISM = 16
"""The limits of Argon2: passes, memory, lanes."""
MAX_WORK_KIB = 1024 * 1024
"""The limit of passes times memory."""
_MIN_SALT_BYTES, _MIN_TAG_BYTES = 8, 4
_MAX_ITERATIONS = 2_000_000
_MAX_BCRYPT_ROUNDS = 14
_MAX_SCRYPT_COST = 2**21
"""The largest product of N, r and p. Scrypt takes 128 bytes for each N and r: at most 256 MiB."""
_MAX_SCRYPT_P = 64  # with the smallest N and r each takes longer
_MIN_SCRYPT_TAG, _MAX_SCRYPT_TAG = 16, 64
_MIB = 2**20


class UnusableHash(ValueError):
    """A text that no password can be verified by. `name` is that of its format; `reason` continues "the hash …"."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"the hash ({self.name}) {self.reason}"


class PasswordHash(Protocol):
    """A hash that was read from its text."""

    @property
    def name(self) -> str: ...

    @property
    def is_weak(self) -> bool: ...

    def matches(self, password: bytes) -> bool: ...


@dataclass(frozen=True, slots=True)
class Argon2:
    """Argon2 (RFC 9106) in each of its variants; computed in memory of `arenas`."""

    cost: Cost
    salt: bytes
    tag: bytes
    arenas: Arenas = field(repr=False, compare=False)
    is_weak: ClassVar[bool] = False

    def __post_init__(self) -> None:
        time_cost, memory_kib, parallelism, *_ = self.cost
        if time_cost > MAX_TIME_COST or memory_kib > MAX_MEMORY_KIB or parallelism > MAX_PARALLELISM:
            limits = f"{MAX_TIME_COST} passes, {MAX_MEMORY_KIB} KiB or {MAX_PARALLELISM} lanes"
            raise UnusableHash(self.name, f"needs more than {limits}")
        if time_cost * memory_kib > MAX_WORK_KIB:
            raise UnusableHash(self.name, f"needs more than {MAX_WORK_KIB} KiB in all its passes")
        if memory_kib < 8 * parallelism or len(self.salt) < _MIN_SALT_BYTES or len(self.tag) < _MIN_TAG_BYTES:
            raise UnusableHash(self.name, "has less memory, salt or tag than Argon2 allows")

    @property
    def name(self) -> str:
        return f"argon2{self.cost.type.name.lower()}"

    def encoded(self) -> str:
        """The text of the PHC: `$argon2id$v=19$m=19456,t=2,p=1$salt$tag`."""
        cost, salt, tag = self.cost, _unpadded(self.salt), _unpadded(self.tag)
        return f"${self.name}$v={cost.version}$m={cost.memory_kib},t={cost.time_cost},p={cost.parallelism}${salt}${tag}"

    def matches(self, password: bytes) -> bool:
        """Raises `Overloaded` without enough memory."""
        return hmac.compare_digest(self.arenas.tag(password, self.salt, len(self.tag), self.cost), self.tag)


def _unpadded(value: bytes) -> str:
    return b64encode(value).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Pbkdf2:
    """PBKDF2 with HMAC (RFC 8018)."""

    digest: str
    iterations: int
    salt: bytes
    tag: bytes
    is_weak: ClassVar[bool] = False

    def __post_init__(self) -> None:
        size = hashlib.new(self.digest).digest_size
        if len(self.tag) != size:  # a longer one would cost more, and a shorter one would match more passwords
            raise UnusableHash(self.name, f"has a tag of {len(self.tag)} bytes, not {size}")
        if self.iterations > _MAX_ITERATIONS:
            raise UnusableHash(self.name, f"needs more than {_MAX_ITERATIONS} iterations")

    @property
    def name(self) -> str:
        return f"pbkdf2_{self.digest}"

    def matches(self, password: bytes) -> bool:
        return hmac.compare_digest(hashlib.pbkdf2_hmac(self.digest, password, self.salt, self.iterations), self.tag)


@dataclass(frozen=True, slots=True)
class Scrypt:
    """Scrypt (RFC 7914)."""

    n: int
    r: int
    p: int
    salt: bytes
    tag: bytes
    name: ClassVar[str] = "scrypt"
    is_weak: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_scrypt(self.name, self.n, self.r, self.p)
        if not _MIN_SCRYPT_TAG <= len(self.tag) <= _MAX_SCRYPT_TAG:
            raise UnusableHash(self.name, f"has a tag of {len(self.tag)} bytes, not {_MIN_SCRYPT_TAG} to {_MAX_SCRYPT_TAG}")

    def matches(self, password: bytes) -> bool:
        return hmac.compare_digest(_scrypt(password, self.salt, self.n, self.r, self.p, len(self.tag)), self.tag)


def check_scrypt(name: str, n: int, r: int, p: int) -> None:
    """Raises `UnusableHash` for parameters that scrypt forbids, and above the limit."""
    if n * r * p > _MAX_SCRYPT_COST:
        raise UnusableHash(name, f"needs more than {128 * _MAX_SCRYPT_COST // _MIB} MiB, or as much time (N·r·p)")
    if p > _MAX_SCRYPT_P:
        raise UnusableHash(name, f"has a p above {_MAX_SCRYPT_P}")
    if n < 2 or n & (n - 1) or n.bit_length() > 16 * r:  # noqa: PLR2004 — RFC 7914 § 2
        raise UnusableHash(name, "has an invalid N")


def _scrypt(password: bytes, salt: bytes, n: int, r: int, p: int, length: int) -> bytes:
    """Raises `Overloaded` without enough memory."""
    needed = 128 * r * (n + p + 2) + _MIB
    try:
        return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=needed, dklen=length)
    except (MemoryError, ValueError):  # OpenSSL reports a failed allocation as either; the parameters were checked before
        raise Overloaded from None


@dataclass(frozen=True, slots=True)
class FirebaseScrypt:
    """Firebase's scrypt: the derived key encrypts the signer key of the project, which gives the tag."""

    n: int
    r: int
    p: int
    salt: bytes
    tag: bytes
    signer_key: bytes
    name: ClassVar[str] = "firebase_scrypt"
    is_weak: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_scrypt(self.name, self.n, self.r, self.p)
        if len(self.tag) != len(self.signer_key):
            raise UnusableHash(self.name, "was made with another signer key")

    def matches(self, password: bytes) -> bool:
        key = _scrypt(password, self.salt, self.n, self.r, self.p, _AES_KEY_BYTES)
        encryptor = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
        return hmac.compare_digest(encryptor.update(self.signer_key) + encryptor.finalize(), self.tag)


_AES_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Bcrypt:
    """Bcrypt, of the password or of a digest of it; it takes 72 bytes, and ignores the rest as every implementation does."""

    name: str
    version: str
    rounds: int
    salt: str
    tag: str
    prepare: Callable[[bytes, str], bytes]
    is_weak: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not _MIN_BCRYPT_ROUNDS <= self.rounds <= _MAX_BCRYPT_ROUNDS:
            raise UnusableHash(self.name, f"has a cost of {self.rounds}, not {_MIN_BCRYPT_ROUNDS} to {_MAX_BCRYPT_ROUNDS}")
        if find_spec("bcrypt") is None:
            raise UnusableHash(self.name, "needs the package bcrypt: install vestibule-accounts[bcrypt]")

    def matches(self, password: bytes) -> bool:
        import bcrypt  # noqa: PLC0415 — an extra

        salt = f"${self.version}${self.rounds:02}${_without_spare_bits(self.salt, 4)}"
        secret = self.prepare(password, self.salt)[:_MAX_BCRYPT_BYTES]
        computed = bcrypt.hashpw(secret, salt.encode()).decode()
        return hmac.compare_digest(computed[len(salt) :], _without_spare_bits(self.tag, 2))


_MIN_BCRYPT_ROUNDS = 4
_MAX_BCRYPT_BYTES = 72
_BCRYPT_DIGITS = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def _without_spare_bits(text: str, count: int) -> str:
    """Clears the bits of the last digit that encode nothing: some implementations leave them set, and bcrypt rejects these."""
    return text[:-1] + _BCRYPT_DIGITS[_BCRYPT_DIGITS.index(text[-1]) >> count << count]


@dataclass(frozen=True, slots=True)
class SaltedDigest:
    """A digest of salt and password: graphics cards try billions of passwords a second."""

    name: str
    salt: bytes
    tag: bytes
    is_weak: ClassVar[bool] = True

    def matches(self, password: bytes) -> bool:
        computed = hashlib.new(self.name, self.salt + password, usedforsecurity=False).digest()
        return hmac.compare_digest(computed, self.tag)
