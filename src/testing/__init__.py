"""A `World` for the tests of host applications, and the in-memory adapters that it consists of."""

from ..adapters.database import MemoryDatabase
from ..adapters.hasher import InsecureHasher
from ..adapters.images import PassThroughImages
from ..adapters.legacy_directory import MemoryLegacyDirectory
from ..adapters.notifier import MemoryNotifier
from ..adapters.rate_limiter import MemoryRateLimiter
from ..adapters.storage import MemoryStorage
from .clock import ManualClock
from .world import PASSWORD, World, wrong

__all__ = [
    "PASSWORD",
    "InsecureHasher",
    "ManualClock",
    "MemoryDatabase",
    "MemoryLegacyDirectory",
    "MemoryNotifier",
    "MemoryRateLimiter",
    "MemoryStorage",
    "PassThroughImages",
    "World",
    "wrong",
]
