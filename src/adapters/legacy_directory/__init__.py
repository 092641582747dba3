"""The system that had the accounts before (port `LegacyDirectory`): over HTTP, or in memory."""

from .bounded import MAX_LEGACY_CALLS, BoundedLegacyDirectory
from .http import HttpLegacyDirectory
from .memory import MemoryLegacyDirectory

__all__ = ["MAX_LEGACY_CALLS", "BoundedLegacyDirectory", "HttpLegacyDirectory", "MemoryLegacyDirectory"]
