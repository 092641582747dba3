"""Password hashing by Argon2id (RFC 9106)."""

import hmac
import logging
import re
import secrets
from base64 import b64decode, b64encode
from typing import NamedTuple

from argon2 import Type

from ...application.ports import HashKind
from ...domain.password import normalised
from .arenas import Arenas, Cost
from .build import check_known_answers
from .pool import HashingPool, Pool, cores

_SALT_BYTES = 16
_TAG_BYTES = 32
_MIN_MEMORY_KIB = {1: 46 * 1024, 2: 19 * 1024, 3: 12 * 1024}
_MAX_TIME_COST = 10
_MAX_MEMORY_KIB = 1024 * 1024
_MAX_PARALLELISM = 16
_MAX_CHARACTERS = 512
_MIN_SALT_BYTES, _MIN_TAG_BYTES = 8, 4
_DEFAULT_TIME_COST = 2
_DEFAULT_MEMORY_KIB = 19 * 1024
_QUEUE_PER_THREAD = 16
_logger = logging.getLogger(__name__)


class Argon2Hasher:
    """Hashes the NFKC form of a password; returns PHC strings with salts of 16 bytes and tags of 32.

    Raises `ValueError` for a cost below OWASP's minimum (1 pass over 46 MiB, 2 over 19 MiB, 3 over 12 MiB), or above the limits
    for stored hashes (10 passes, 1 GiB, 16 lanes), and `RuntimeError` if the compiled library computes wrong hashes. Creates a
    pool if none is given.
    """

    def __init__(
        self,
        time_cost: int = _DEFAULT_TIME_COST,
        memory_kib: int = _DEFAULT_MEMORY_KIB,
        parallelism: int = 1,
        *,
        pool: Pool | None = None,
    ) -> None:
        _check(time_cost, memory_kib, parallelism)
        check_known_answers()
        self._cost = Cost(time_cost, memory_kib, parallelism)
        self._arenas = Arenas(memory_kib)
        self._dummy = Stored(self._cost, secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_TAG_BYTES))
        self._pool = pool or pool_for(time_cost, memory_kib)
        self.capacity = self._pool.capacity
        """The number of hashes that may be computed or wait at once."""

    def hash(self, password: str) -> str:
        salt = secrets.token_bytes(_SALT_BYTES)
        tag = self._pool.run(self._arenas.tag, _secret(password), salt, _TAG_BYTES, self._cost)
        return Stored(self._cost, salt, tag).encoded()

    def verify(self, password_hash: str | None, password: str) -> bool:
        """A malformed hash, or one whose cost would exhaust this machine, is logged and treated as None.

        For None it verifies random bytes, which no known password matches, but which take as long as any other hash.
        """
        stored = None if password_hash is None else Stored.read(password_hash)
        if stored is None and password_hash is not None:
            _logger.warning("a stored password hash is malformed or exceeds the limits; its account cannot log in by password")
        is_right = self._pool.run(self._matches, stored or self._dummy, _secret(password))
        return is_right and stored is not None

    def needs_rehash(self, password_hash: str) -> bool:
        stored = Stored.read(password_hash)
        return stored is None or (stored.cost, len(stored.salt), len(stored.tag)) != (self._cost, _SALT_BYTES, _TAG_BYTES)

    def kind_of(self, password_hash: str) -> HashKind:
        if not password_hash or password_hash.startswith("!"):
            return HashKind("unusable", is_usable=False, reason="marks an account without a password")
        if Stored.read(password_hash) is None:
            return HashKind("unknown", is_usable=False, reason="is in no known format, or above the limits")
        return HashKind("argon2", is_usable=True)

    def close(self) -> None:
        """Finishes the accepted jobs; accepts no more."""
        self._pool.close()

    def _matches(self, stored: "Stored", secret: bytes) -> bool:
        return hmac.compare_digest(self._arenas.tag(secret, stored.salt, len(stored.tag), stored.cost), stored.tag)


class Stored(NamedTuple):
    """A hash as it is stored, in the form of the PHC: `$argon2id$v=19$m=19456,t=2,p=1$salt$tag`."""

    cost: Cost
    salt: bytes
    tag: bytes

    @classmethod
    def read(cls, text: str) -> "Stored | None":
        """Returns None for a text that is no hash, and for one that costs more time or memory than a login may take."""
        found = _STORED.fullmatch(text) if len(text) <= _MAX_CHARACTERS else None
        if found is None:
            return None
        variant, version, memory_kib, time_cost, parallelism, salt, tag = found.groups()
        cost = Cost(int(time_cost), int(memory_kib), int(parallelism), _TYPES[variant], int(version or 16))
        stored = cls(cost, _decoded(salt), _decoded(tag))
        return stored if stored._is_within_limits() else None

    def encoded(self) -> str:
        cost, salt, tag = self.cost, _encoded(self.salt), _encoded(self.tag)
        return f"$argon2id$v={cost.version}$m={cost.memory_kib},t={cost.time_cost},p={cost.parallelism}${salt}${tag}"

    def _is_within_limits(self) -> bool:
        time_cost, memory_kib, parallelism, *_ = self.cost
        is_bearable = time_cost <= _MAX_TIME_COST and memory_kib <= _MAX_MEMORY_KIB and parallelism <= _MAX_PARALLELISM
        is_valid = memory_kib >= 8 * parallelism and len(self.salt) >= _MIN_SALT_BYTES and len(self.tag) >= _MIN_TAG_BYTES
        return is_bearable and is_valid


_TYPES = {"id": Type.ID, "i": Type.I, "d": Type.D}
_STORED = re.compile(
    r"\$argon2(id|i|d)\$(?:v=(16|19)\$)?m=([1-9]\d{0,9}),t=([1-9]\d{0,9}),p=([1-9]\d{0,7})"
    r"\$((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,3})?)\$((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,3})?)",
    re.ASCII,
)


def _encoded(value: bytes) -> str:
    return b64encode(value).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4))


def _check(time_cost: int, memory_kib: int, parallelism: int) -> None:
    if not (1 <= time_cost <= _MAX_TIME_COST and 1 <= parallelism <= _MAX_PARALLELISM and memory_kib <= _MAX_MEMORY_KIB):
        raise ValueError(
            f"Argon2 needs 1 to {_MAX_TIME_COST} passes, at most {_MAX_MEMORY_KIB} KiB of memory, "
            f"and 1 to {_MAX_PARALLELISM} lanes."
        )
    minimum = _MIN_MEMORY_KIB[min(time_cost, max(_MIN_MEMORY_KIB))]
    if memory_kib < minimum:
        raise ValueError(f"Argon2 with {time_cost} passes needs at least {minimum} KiB of memory, not {memory_kib}.")


def pool_for(time_cost: int, memory_kib: int, *, workers: int = 1) -> HashingPool:
    """Returns the pool of one of several workers, whose full queue takes about half a second.

    That is 16 hashes per thread at the default cost of some 30 ms, fewer at a higher cost.
    """
    threads = hashing_threads(workers)
    relative_cost = (time_cost * memory_kib) / (_DEFAULT_TIME_COST * _DEFAULT_MEMORY_KIB)
    return HashingPool(threads, max(1, int(threads * _QUEUE_PER_THREAD / relative_cost)))


def hashing_threads(workers: int) -> int:
    """Returns the threads of one worker. The workers together have one per core: more would evict one another's memory from the
    processor's caches, at each turn, and hash no faster."""
    return -(-cores() // workers)


def _secret(password: str) -> bytes:
    """Accepts lone surrogates, which no stored password contains, so that every wrong password takes as long."""
    return normalised(password).encode("utf-8", "surrogatepass")
