"""Password hashing by Argon2id (RFC 9106)."""

import logging
import secrets
from base64 import b64encode

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import ARGON2_VERSION

from ...domain.password import normalised
from .build import check_known_answers
from .pool import HashingPool, Pool, cores

_SALT_BYTES = 16
_TAG_BYTES = 32
_MIN_MEMORY_KIB = {1: 46 * 1024, 2: 19 * 1024, 3: 12 * 1024}
_MAX_TIME_COST = 10
_MAX_MEMORY_KIB = 1024 * 1024
_MAX_PARALLELISM = 16
_MAX_CHARACTERS = 512
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
        self._argon2 = PasswordHasher(time_cost, memory_kib, parallelism, hash_len=_TAG_BYTES, salt_len=_SALT_BYTES)
        self._dummy = _dummy_hash(time_cost, memory_kib, parallelism)
        self._pool = pool or pool_for(time_cost, memory_kib)
        self.capacity = self._pool.capacity
        """The number of hashes that may be computed or wait at once."""

    def hash(self, password: str) -> str:
        return self._pool.run(self._argon2.hash, _secret(password))

    def verify(self, password_hash: str | None, password: str) -> bool:
        """A malformed hash, or one whose cost would exhaust this machine, is logged and treated as None."""
        if password_hash is not None and _is_within_limits(password_hash):
            return self._pool.run(self._matches, password_hash, _secret(password))
        if password_hash is not None:
            _logger.warning("a stored password hash is malformed or exceeds the limits; its account cannot log in by password")
        self._pool.run(self._matches, self._dummy, _secret(password))
        return False

    def needs_rehash(self, password_hash: str) -> bool:
        try:
            return self._argon2.check_needs_rehash(password_hash)
        except InvalidHashError:
            return True

    def close(self) -> None:
        """Finishes the accepted jobs; accepts no more."""
        self._pool.close()

    def _matches(self, password_hash: str, secret: bytes) -> bool:
        try:
            return self._argon2.verify(password_hash, secret)
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError):
            _logger.warning("a stored password hash cannot be read; its account cannot log in by password")
        if password_hash != self._dummy:
            self._matches(self._dummy, secret)
        return False


def _check(time_cost: int, memory_kib: int, parallelism: int) -> None:
    if not (1 <= time_cost <= _MAX_TIME_COST and 1 <= parallelism <= _MAX_PARALLELISM and memory_kib <= _MAX_MEMORY_KIB):
        raise ValueError(
            f"Argon2 needs 1 to {_MAX_TIME_COST} passes, at most {_MAX_MEMORY_KIB} KiB of memory, "
            f"and 1 to {_MAX_PARALLELISM} lanes."
        )
    minimum = _MIN_MEMORY_KIB[min(time_cost, max(_MIN_MEMORY_KIB))]
    if memory_kib < minimum:
        raise ValueError(f"Argon2 with {time_cost} passes needs at least {minimum} KiB of memory, not {memory_kib}.")


def _dummy_hash(time_cost: int, memory_kib: int, parallelism: int) -> str:
    """Returns a random hash that no known password matches, but that takes as long to verify as any other.

    Salt and tag are random bytes: computing a real hash at startup would keep its memory allocated.
    """
    salt, tag = (b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (_SALT_BYTES, _TAG_BYTES))
    return f"$argon2id$v={ARGON2_VERSION}$m={memory_kib},t={time_cost},p={parallelism}${salt}${tag}"


def pool_for(time_cost: int, memory_kib: int) -> HashingPool:
    """Returns a pool of one thread per core, whose full queue takes about half a second.

    That is 16 hashes per thread at the default cost of some 30 ms, fewer at a higher cost.
    """
    relative_cost = (time_cost * memory_kib) / (_DEFAULT_TIME_COST * _DEFAULT_MEMORY_KIB)
    return HashingPool(cores(), max(1, int(cores() * _QUEUE_PER_THREAD / relative_cost)))


def _secret(password: str) -> bytes:
    """Accepts lone surrogates, which no stored password contains, so that every wrong password takes as long."""
    return normalised(password).encode("utf-8", "surrogatepass")


def _is_within_limits(password_hash: str) -> bool:
    """True if verifying the hash costs no more time and memory than a login may take."""
    if len(password_hash) > _MAX_CHARACTERS or not password_hash.isascii() or "\0" in password_hash:
        return False
    try:
        parameters = extract_parameters(password_hash)
    except InvalidHashError:
        return False
    return (
        parameters.time_cost <= _MAX_TIME_COST
        and parameters.memory_cost <= _MAX_MEMORY_KIB
        and parameters.parallelism <= _MAX_PARALLELISM
    )
