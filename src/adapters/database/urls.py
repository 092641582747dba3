"""Which database a URL means."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

_FORM = "it should look like sqlite:////var/lib/vestibule/vestibule.db or postgresql://user:password@host:5432/name"


def is_postgres(url: str) -> bool:
    """Whether it is a URL of PostgreSQL, as libpq reads them; what is wrong in it is found when it is used."""
    return url.startswith(("postgresql://", "postgres://"))


@contextmanager
def driver_wanted() -> Iterator[None]:
    """For the import of what needs psycopg. Raises `ModuleNotFoundError` in words for an operator where it is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise ModuleNotFoundError(
            "PostgreSQL needs an extra: pip install 'vestibule-accounts[postgres]'", name=error.name
        ) from None


def url_of_file(path: Path) -> str:
    """The other way round."""
    return f"sqlite:///{quote(str(path.absolute()))}"


def path_of(url: str) -> Path:
    """The file that `sqlite:///relative.db` or `sqlite:////absolute.db` means, percent-decoded.

    Raises `ValueError` for any other URL, in words that repeat no password.
    """
    try:
        parts = make_url(url)
    except ArgumentError:
        raise ValueError(f"The database URL is not one: {_FORM}.") from None
    if parts.drivername != "sqlite":
        raise ValueError(f"A database of the kind {parts.drivername} is not known: {_FORM}.")
    if "?" in url:
        raise ValueError("The database URL has a question mark: it takes no options, and in a path it is written %3F.")
    if not parts.database or parts.database == ":memory:":
        raise ValueError("The database URL names no file: it should look like sqlite:////var/lib/vestibule/vestibule.db.")
    return Path(parts.database)
