"""Where accounts are kept: in memory."""

from .memory import MemoryDatabase

__all__ = ["MemoryDatabase"]
