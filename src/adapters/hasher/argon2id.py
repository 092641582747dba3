"""Password hashing by Argon2id (RFC 9106)."""

import logging
import secrets
from collections.abc import Sequence

from ...application.ports import HashKind
from .algorithms import MAX_MEMORY_KIB, MAX_PARALLELISM, MAX_TIME_COST, MAX_WORK_KIB, Argon2, PasswordHash, UnusableHash
from .arenas import Arenas, Cost
from .build import check_known_answers
from .formats import Formats
from .pool import HashingPool, Pool, cores
from .spellings import normal_spelling, spellings

_SALT_BYTES = 16
_TAG_BYTES = 32
_MIN_MEMORY_KIB = {1: 46 * 1024, 2: 19 * 1024, 3: 12 * 1024}
_DEFAULT_TIME_COST = 2
_DEFAULT_MEMORY_KIB = 19 * 1024
_QUEUE_PER_CORE = 16
_logger = logging.getLogger(__name__)


class Argon2Hasher:
    """Hashes the NFKC form of a password; returns PHC strings with salts of 16 bytes and tags of 32.

    Verifies the hashes of other systems too, in the same pool (`formats.py` has the list); those of Firebase by its signer
    key. Raises `ValueError` for a cost below OWASP's minimum (1 pass over 46 MiB, 2 over 19 MiB, 3 over 12 MiB), or above the
    limits for stored hashes (10 passes, 1 GiB in all of them, 16 lanes), and `RuntimeError` if the compiled library computes
    wrong hashes. Creates a pool if none is given.
    """

    def __init__(
        self,
        time_cost: int = _DEFAULT_TIME_COST,
        memory_kib: int = _DEFAULT_MEMORY_KIB,
        parallelism: int = 1,
        *,
        pool: Pool | None = None,
        firebase_signer_key: bytes | None = None,
    ) -> None:
        _check(time_cost, memory_kib, parallelism)
        check_known_answers()
        self._cost = Cost(time_cost, memory_kib, parallelism)
        self._arenas = Arenas(memory_kib)
        self._formats = Formats(self._arenas, firebase_signer_key)
        self._dummy = self._with_tag(secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_TAG_BYTES))
        self._pool = pool or pool_for(time_cost, memory_kib)
        self.capacity = self._pool.capacity
        """The number of hashes that may be computed or wait at once."""

    def hash(self, password: str) -> str:
        salt = secrets.token_bytes(_SALT_BYTES)
        tag = self._pool.run(self._arenas.tag, normal_spelling(password), salt, _TAG_BYTES, self._cost)
        return self._with_tag(salt, tag).encoded()

    def verify(self, password_hash: str | None, password: str) -> bool:
        """A malformed hash, or one whose cost would exhaust this machine, is logged and treated as None.

        For None it verifies random bytes, which no known password matches, but which take as long as a hash that is made here.
        """
        stored = None if password_hash is None else self._read(password_hash)
        is_right = self._pool.run(_matches, stored or self._dummy, spellings(password))
        return is_right and stored is not None

    def needs_rehash(self, password_hash: str) -> bool:
        if not password_hash.startswith("$argon2id$"):
            return True
        try:
            stored = self._formats.read(password_hash)
        except UnusableHash:
            return True
        current = self._cost, _SALT_BYTES, _TAG_BYTES
        return not isinstance(stored, Argon2) or (stored.cost, len(stored.salt), len(stored.tag)) != current

    def kind_of(self, password_hash: str) -> HashKind:
        return self._formats.kind_of(password_hash)

    def close(self) -> None:
        """Finishes the accepted jobs; accepts no more."""
        self._pool.close()

    def _read(self, text: str) -> PasswordHash | None:
        try:
            return self._formats.read(text)
        except UnusableHash as error:
            _logger.warning("a stored password hash (%s) %s; its account cannot log in by password", error.name, error.reason)
            return None

    def _with_tag(self, salt: bytes, tag: bytes) -> Argon2:
        return Argon2(self._cost, salt, tag, self._arenas)


def _matches(stored: PasswordHash, passwords: Sequence[bytes]) -> bool:
    return any(stored.matches(password) for password in passwords)


def _check(time_cost: int, memory_kib: int, parallelism: int) -> None:
    if not (1 <= time_cost <= MAX_TIME_COST and 1 <= parallelism <= MAX_PARALLELISM and memory_kib <= MAX_MEMORY_KIB):
        raise ValueError(
            f"Argon2 needs 1 to {MAX_TIME_COST} passes, at most {MAX_MEMORY_KIB} KiB of memory, "
            f"and 1 to {MAX_PARALLELISM} lanes."
        )
    if time_cost * memory_kib > MAX_WORK_KIB:
        raise ValueError(f"Argon2 needs at most {MAX_WORK_KIB} KiB in all passes together, not {time_cost * memory_kib}.")
    minimum = _MIN_MEMORY_KIB[min(time_cost, max(_MIN_MEMORY_KIB))]
    if memory_kib < minimum:
        raise ValueError(f"Argon2 with {time_cost} passes needs at least {minimum} KiB of memory, not {memory_kib}.")


def pool_for(time_cost: int, memory_kib: int, *, workers: int = 1) -> HashingPool:
    """Returns the pool of one of several workers, whose full queue takes about half a second while the others are idle.

    That is 16 hashes per core at the default cost of some 30 ms, fewer at a higher cost. Calls spread unevenly over workers, so
    the queue of each is as long as that of a single one.
    """
    relative_cost = (time_cost * memory_kib) / (_DEFAULT_TIME_COST * _DEFAULT_MEMORY_KIB)
    return HashingPool(hashing_threads(workers), max(1, int(cores() * _QUEUE_PER_CORE / relative_cost)))


def hashing_threads(workers: int) -> int:
    """Returns the threads of one worker. The workers together have one per core: more would evict one another's memory from the
    processor's caches, at each turn, and hash no faster."""
    return -(-cores() // workers)
