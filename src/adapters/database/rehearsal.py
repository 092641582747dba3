"""A database for the dry run of an import: an SQLite file, so that memory does not grow with the rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ..database_urls import url_of_file
from .database import SqlDatabase
from .migration import migrate


@contextmanager
def rehearsal_database() -> Iterator[SqlDatabase]:
    """Makes an empty database in the directory for temporary files, which only this user can read."""
    with TemporaryDirectory(prefix="vestibule-rehearsal-") as directory:
        url = url_of_file(Path(directory) / "rehearsal.db")
        migrate(url)
        with SqlDatabase(url) as database:
            yield database
