"""Rate limits that need not survive a restart (port `RateLimiter`): in the memory of one process, or in Redis for several."""

from .memory import MemoryRateLimiter
from .redis import RedisRateLimiter

__all__ = ["MemoryRateLimiter", "RedisRateLimiter"]
