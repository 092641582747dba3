"""Limits that need not survive a restart: in the memory of one process, or in Redis for several."""

from .memory import MemoryThrottle
from .redis import RedisThrottle

__all__ = ["MemoryThrottle", "RedisThrottle"]
