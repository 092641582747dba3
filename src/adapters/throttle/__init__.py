"""Limits that need not survive a restart."""

from .memory import MemoryThrottle

__all__ = ["MemoryThrottle"]
