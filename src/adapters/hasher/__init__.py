"""Password hashing: Argon2id in a bounded pool of its own, and a quick twin for tests."""

from .argon2id import Argon2Hasher, pool_for
from .memory import InsecureHasher
from .pool import HashingPool

__all__ = ["Argon2Hasher", "HashingPool", "InsecureHasher", "pool_for"]
