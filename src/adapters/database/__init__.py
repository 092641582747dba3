"""Where accounts are kept: in SQL, by SQLAlchemy Core over SQLite or PostgreSQL; or in memory."""

from .database import SqlDatabase
from .memory import MemoryDatabase
from .migration import SchemaTooNew, SchemaTooOld, migrate, prepare

__all__ = ["MemoryDatabase", "SchemaTooNew", "SchemaTooOld", "SqlDatabase", "migrate", "prepare"]
