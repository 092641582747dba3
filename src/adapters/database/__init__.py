"""Where accounts are kept: in SQL, by SQLAlchemy Core over SQLite; or in memory."""

from .database import SqlDatabase
from .memory import MemoryDatabase
from .migration import SchemaTooNew, migrate

__all__ = ["MemoryDatabase", "SchemaTooNew", "SqlDatabase", "migrate"]
