"""Where pictures are kept (port `Storage`): in a directory, or in memory."""

from .file import FileStorage
from .memory import MemoryStorage

__all__ = ["FileStorage", "MemoryStorage"]
