"""Image storage (port `Storage`): in a directory, on S3, or in memory."""

from .file import FileStorage
from .memory import MemoryStorage
from .s3 import S3Storage

__all__ = ["FileStorage", "MemoryStorage", "S3Storage"]
