"""Maintenance of database and keys, for the command line."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import time

from ...adapters.database import (
    Backlog,
    Contents,
    Copied,
    SchemaTooNew,
    SqlDatabase,
    back_up,
    copy,
    inspect_copy,
    migrate,
    prepare,
    url_of_file,
)
from ...adapters.keys import EncryptedKeyStore, FileKeyStore, KeyManager, open_keys, read_keys
from ...domain.errors import Unavailable
from ...domain.events import Event, EventType
from ..settings import Settings, SettingsError
from .checks import SECRET_NOT_SET, reported_as
from .factories import keys_in, sealed_shelf


def backlog(settings: Settings) -> Sequence[Backlog]:
    """Returns the messages that wait in the outbox. Raises `Unavailable`."""
    with closing(SqlDatabase(settings.accounts_url)) as database:
        return database.backlog(time())


@contextmanager
def key_keeper(settings: Settings) -> Iterator[KeyManager]:
    """For the command line: changes the keys that servers find changed within seconds. Raises `SettingsError`."""
    if not settings.secret:
        yield KeyManager(FileKeyStore(keys_in(settings)))
        return
    with _sealed_shelf_at(settings) as shelf:
        yield KeyManager(shelf)


def reseal_keys(settings: Settings) -> int:
    """Seals under the first secret what is under another one; answers how many keys. Raises `SettingsError`."""
    if not settings.secret:
        raise SettingsError("VESTIBULE_SECRET: it is not set, so no keys are sealed under it.")
    with _sealed_shelf_at(settings) as shelf:
        return shelf.reseal()


@contextmanager
def _sealed_shelf_at(settings: Settings) -> Iterator[EncryptedKeyStore]:
    """With every kind of key on it."""
    with reported_as("DATABASE_URL"):
        prepare(settings.accounts_url)
    with closing(SqlDatabase(settings.accounts_url)) as database:
        shelf = sealed_shelf(settings, database)
        with reported_as("SECRET"):
            open_keys(shelf)
        yield shelf


def journal_keys(settings: Settings, note: str) -> None:
    """Writes down that the keys were changed, and how. Raises `SettingsError` where the database cannot take it now."""
    with reported_as("DATABASE_URL"):
        prepare(settings.accounts_url)
        with closing(SqlDatabase(settings.accounts_url)) as database, database.begin() as tx:
            tx.audit_log.add(Event(type=EventType.KEYS_CHANGED, occurred_at=time(), detail=note))


def copy_accounts(source: str, target: str, tell: Callable[[str, str, int, int], None]) -> list[Copied]:
    """Copies all rows of a database into an empty one; `tell` receives "copied" or "compared", table, rows, and their total.

    Raises `ValueError`, one line, and the target is as it was then; `ImportError` where a driver is not installed.
    """
    return copy(source, target, tell)


def back_up_accounts(settings: Settings, file: Path, see: Callable[[frozenset[str]], None]) -> None:
    """Backs up a snapshot of the embedded database; `see` receives the names of its images. Raises `ValueError`."""
    back_up(settings.accounts_url, file, see)


def look_at_accounts(file: Path) -> Contents:
    """Raises `ValueError`, one line, where the copy of a database is not whole."""
    return inspect_copy(file)


def take_up_accounts(file: Path) -> None:
    """Brings the copy of an embedded database to the schema of this program. Raises `ValueError`, one line."""
    try:
        migrate(url_of_file(file))
    except (SchemaTooNew, Unavailable) as fault:
        raise ValueError(str(fault) or f"{file.name} cannot be used.") from fault


def check_keys(directory: Path) -> None:
    """Makes none. Raises `ValueError`, one line, where a key is no good or a kind has none, and `OSError`."""
    try:
        read_keys(FileKeyStore(directory))
    except FileNotFoundError:
        raise ValueError(f"There are no keys at {directory}.") from None


def has_sealed_keys(settings: Settings, file: Path) -> bool:
    """Whether the copy of a database has the keys in it. Raises `SettingsError` where the secret does not open them all."""
    with reported_as("SECRET"), closing(SqlDatabase(url_of_file(file))) as database:
        if not database.keys.all():
            return False
        if not settings.secret:
            raise SettingsError(SECRET_NOT_SET)
        read_keys(sealed_shelf(settings, database))
        return True
