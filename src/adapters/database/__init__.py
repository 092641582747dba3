"""Where accounts are kept: in SQL, by SQLAlchemy Core over SQLite or PostgreSQL; or in memory."""

from .accounts import ACCOUNTS, AccountsTable
from .backup import Contents, back_up, look_at
from .database import SqlDatabase
from .memory import MemoryDatabase
from .migration import SchemaTooNew, SchemaTooOld, migrate, prepare
from .outbox import Backlog
from .transfer import CannotCopy, Copied, copy
from .urls import url_of_file

__all__ = [
    "ACCOUNTS",
    "AccountsTable",
    "Backlog",
    "CannotCopy",
    "Contents",
    "Copied",
    "MemoryDatabase",
    "SchemaTooNew",
    "SchemaTooOld",
    "SqlDatabase",
    "back_up",
    "copy",
    "look_at",
    "migrate",
    "prepare",
    "url_of_file",
]
