"""The port `Hasher`, filled by Argon2id (RFC 9106)."""

import logging
import secrets
from base64 import b64encode

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import ARGON2_VERSION

from ...domain.password import normalised
from .pool import HashingPool, Pool, cores

_SALT_BYTES = 16
_TAG_BYTES = 32
_LEAST_MEMORY_KIB = {1: 46 * 1024, 2: 19 * 1024, 3: 12 * 1024}
_MOST_TIME_COST = 10
_MOST_MEMORY_KIB = 1024 * 1024
_MOST_PARALLELISM = 16
_MOST_CHARACTERS = 512
_DEFAULT_TIME_COST = 2
_DEFAULT_MEMORY_KIB = 19 * 1024
_QUEUE_PER_THREAD = 16
_logger = logging.getLogger(__name__)


class Argon2Hasher:
    """Argon2id with salts of 16 bytes and tags of 32, as PHC strings; the NFKC form of a password is what is hashed.

    Raises `ValueError` below OWASP's floors (1 pass over 46 MiB, 2 over 19 MiB, 3 over 12 MiB) and above what it would
    itself accept to read (10 passes, 1 GiB, 16 lanes). Unless a pool is given it makes one.
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
        self._argon2 = PasswordHasher(time_cost, memory_kib, parallelism, hash_len=_TAG_BYTES, salt_len=_SALT_BYTES)
        self._dummy = _nobodys_hash(time_cost, memory_kib, parallelism)
        self._pool = pool or pool_for(time_cost, memory_kib)

    def hash(self, password: str) -> str:
        return self._pool.run(self._argon2.hash, _secret(password))

    def verify(self, password_hash: str | None, password: str) -> bool:
        """A hash that is malformed, or made to exhaust this machine, is as good as none, and logged."""
        if password_hash is not None and _is_bearable(password_hash):
            return self._pool.run(self._matches, password_hash, _secret(password))
        if password_hash is not None:
            _logger.warning("a stored password hash is malformed or beyond all bounds; nobody can log in with it")
        self._pool.run(self._matches, self._dummy, _secret(password))
        return False

    def needs_rehash(self, password_hash: str) -> bool:
        try:
            return self._argon2.check_needs_rehash(password_hash)
        except InvalidHashError:
            return True

    def close(self) -> None:
        """Finishes what was taken, and takes no more."""
        self._pool.close()

    def _matches(self, password_hash: str, secret: bytes) -> bool:
        try:
            return self._argon2.verify(password_hash, secret)
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError):
            _logger.warning("a stored password hash cannot be read; nobody can log in with it")
        if password_hash != self._dummy:
            self._matches(self._dummy, secret)
        return False


def _check(time_cost: int, memory_kib: int, parallelism: int) -> None:
    if not (1 <= time_cost <= _MOST_TIME_COST and 1 <= parallelism <= _MOST_PARALLELISM and memory_kib <= _MOST_MEMORY_KIB):
        raise ValueError(
            f"Argon2 takes 1 to {_MOST_TIME_COST} passes, {_MOST_MEMORY_KIB} KiB of memory at most, "
            f"and 1 to {_MOST_PARALLELISM} lanes."
        )
    least = _LEAST_MEMORY_KIB[min(time_cost, max(_LEAST_MEMORY_KIB))]
    if memory_kib < least:
        raise ValueError(f"Argon2 with {time_cost} passes needs {least} KiB of memory at least, not {memory_kib}.")


def _nobodys_hash(time_cost: int, memory_kib: int, parallelism: int) -> str:
    """One that takes as long to compare with as any other, made up: nobody knows what would match it. Making it by hashing
    would keep its memory from the start on.
    """
    salt, tag = (_base64(secrets.token_bytes(size)) for size in (_SALT_BYTES, _TAG_BYTES))
    return f"$argon2id$v={ARGON2_VERSION}$m={memory_kib},t={time_cost},p={parallelism}${salt}${tag}"


def _base64(data: bytes) -> str:
    """As PHC strings have it: without padding."""
    return b64encode(data).rstrip(b"=").decode("ascii")


def pool_for(time_cost: int, memory_kib: int) -> HashingPool:
    """A thread for each core, and a queue that empties in about half a second."""
    return HashingPool(cores(), _queue(cores(), time_cost, memory_kib))


def _queue(threads: int, time_cost: int, memory_kib: int) -> int:
    """How many may wait: 16 a thread at the default cost, some 30 ms each, and fewer of dearer ones."""
    dearer = (time_cost * memory_kib) / (_DEFAULT_TIME_COST * _DEFAULT_MEMORY_KIB)
    return max(1, int(threads * _QUEUE_PER_THREAD / dearer))


def _secret(password: str) -> bytes:
    """Lone surrogates, which no password has that was ever set, are hashed too: a wrong password takes its time."""
    return normalised(password).encode("utf-8", "surrogatepass")


def _is_bearable(password_hash: str) -> bool:
    """Whether reading it costs no more than a machine can give, once for each login."""
    if len(password_hash) > _MOST_CHARACTERS or not password_hash.isascii() or "\0" in password_hash:
        return False
    try:
        asked = extract_parameters(password_hash)
    except InvalidHashError:
        return False
    return (
        asked.time_cost <= _MOST_TIME_COST and asked.memory_cost <= _MOST_MEMORY_KIB and asked.parallelism <= _MOST_PARALLELISM
    )
