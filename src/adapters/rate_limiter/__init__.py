"""Rate limits that need not survive a restart (port `RateLimiter`).

They are in the memory of one process, in a file for the processes of one machine, or in Redis for several machines.
"""

from .memory import MemoryRateLimiter
from .node import NodeRateLimiter, node_limits_file, remove_node_limits
from .redis import RedisFacts, RedisRateLimiter

__all__ = ["MemoryRateLimiter", "NodeRateLimiter", "RedisFacts", "RedisRateLimiter", "node_limits_file", "remove_node_limits"]
