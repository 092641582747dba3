"""What integrators test with: a `World`, and the adapters in memory that it is made of."""

from ..adapters.database import MemoryDatabase
from ..adapters.hasher import QuickHasher
from ..adapters.images import PassThroughImages
from ..adapters.notifier import MemoryNotifier
from ..adapters.rate_limiter import MemoryThrottle
from ..adapters.storage import MemoryStorage
from .clock import HandClock
from .world import PASSWORD, World, wrong

__all__ = [
    "PASSWORD",
    "HandClock",
    "MemoryDatabase",
    "MemoryNotifier",
    "MemoryStorage",
    "MemoryThrottle",
    "PassThroughImages",
    "QuickHasher",
    "World",
    "wrong",
]
