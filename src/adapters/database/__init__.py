"""Where accounts are kept: in SQL, by SQLAlchemy Core over SQLite or PostgreSQL; or in memory."""

from .copying import CannotCopy, Copied, copy
from .database import SqlDatabase
from .memory import MemoryDatabase
from .migration import SchemaTooNew, SchemaTooOld, migrate, prepare

__all__ = [
    "CannotCopy",
    "Copied",
    "MemoryDatabase",
    "SchemaTooNew",
    "SchemaTooOld",
    "SqlDatabase",
    "copy",
    "migrate",
    "prepare",
]
