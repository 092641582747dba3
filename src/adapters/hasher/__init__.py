"""Password hashing (port `Hasher`): Argon2id in a bounded thread pool, and a fast, insecure hasher for tests."""

from .argon2id import Argon2Hasher, hashing_threads, pool_for
from .build import PUBLISHED_WHEEL, build_of_argon2, check_known_answers
from .memory import InsecureHasher
from .pool import HashingPool

__all__ = [
    "PUBLISHED_WHEEL",
    "Argon2Hasher",
    "HashingPool",
    "InsecureHasher",
    "build_of_argon2",
    "check_known_answers",
    "hashing_threads",
    "pool_for",
]
