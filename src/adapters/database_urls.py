"""Database URLs: which database they name. Shared by the adapter folders."""

from pathlib import Path
from urllib.parse import quote

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from .extras import import_extra

_FORM = "it should look like sqlite:////var/lib/vestibule/vestibule.db or postgresql://user:password@host:5432/name"


def is_postgres(url: str) -> bool:
    """Returns whether libpq reads this URL. Errors in it are found on first use."""
    return url.startswith(("postgresql://", "postgres://"))


def require_driver() -> None:
    """Raises `ModuleNotFoundError`, which names the extra to install, without psycopg."""
    import_extra("psycopg", "postgres", "PostgreSQL needs")


def url_of_file(path: Path) -> str:
    """The URL of an SQLite file."""
    return f"sqlite:///{quote(str(path.absolute()))}"


def path_of(url: str) -> Path:
    """The file that `sqlite:///relative.db` or `sqlite:////absolute.db` names, percent-decoded.

    Raises `ValueError` for any other URL; its text contains no password.
    """
    try:
        parts = make_url(url)
    except ArgumentError:
        raise ValueError(f"The database URL is invalid: {_FORM}.") from None
    if parts.drivername != "sqlite":
        raise ValueError(f"The database URL has the unknown scheme {parts.drivername}: {_FORM}.")
    if "?" in url:
        raise ValueError("The database URL has a question mark: it takes no options, and a path needs %3F instead.")
    if not parts.database or parts.database == ":memory:":
        raise ValueError("The database URL names no file: it should look like sqlite:////var/lib/vestibule/vestibule.db.")
    return Path(parts.database)
