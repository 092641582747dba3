"""The port `Database` over SQLite and PostgreSQL, by SQLAlchemy Core; or over SQLite in memory."""

from ..database_urls import url_of_file
from .backup import Contents, back_up, inspect_copy
from .database import SqlDatabase
from .inspection import DatabaseFacts, PostgresFacts, SqliteFacts, inspect
from .memory import MemoryDatabase
from .migration import SchemaTooNew, SchemaTooOld, migrate, prepare
from .rehearsal import rehearsal_database
from .rekeying import CannotRekey, Obstacle, Rekeyed, rekey
from .transfer import CannotCopy, Copied, copy

__all__ = [
    "CannotCopy",
    "CannotRekey",
    "Contents",
    "Copied",
    "DatabaseFacts",
    "MemoryDatabase",
    "Obstacle",
    "PostgresFacts",
    "Rekeyed",
    "SchemaTooNew",
    "SchemaTooOld",
    "SqlDatabase",
    "SqliteFacts",
    "back_up",
    "copy",
    "inspect",
    "inspect_copy",
    "migrate",
    "prepare",
    "rehearsal_database",
    "rekey",
    "url_of_file",
]
