"""Password hashing (port `Hasher`): Argon2id in a bounded thread pool, and a fast, insecure hasher for tests."""

from .argon2id import Argon2Hasher, pool_for
from .memory import InsecureHasher
from .pool import HashingPool

__all__ = ["Argon2Hasher", "HashingPool", "InsecureHasher", "pool_for"]
