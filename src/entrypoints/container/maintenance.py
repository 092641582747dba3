"""Maintenance of database and keys, for the command line."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache, partial
from pathlib import Path
from time import time

from ...adapters.database import (
    Contents,
    Obstacle,
    Rekeyed,
    SchemaTooNew,
    SqlDatabase,
    back_up,
    copy,
    inspect_copy,
    migrate,
    prepare,
    rekey,
    url_of_file,
)
from ...adapters.database_urls import is_postgres, path_of
from ...adapters.identifiers import LibraryIdentifiers
from ...adapters.keys import EncryptedKeyStore, FileKeyStore, KeyManager, KeySet, open_keys, read_keys
from ...application.ports import Backlog
from ...domain.account import Address
from ...domain.errors import Unavailable
from ...domain.events import Event, EventType
from ..settings import Settings, SettingsError
from .checks import SECRET_NOT_SET, reported_as
from .factories import encrypted_key_store, key_store, keys_file, refuse_first_keys, rotation_days


def backlog(settings: Settings) -> Sequence[Backlog]:
    """Returns, for each channel, the numbers of due and of failed messages, and since when the oldest is due."""
    with closing(SqlDatabase(settings.resolved_database_url)) as database:
        return database.outbox.backlog(time())


@contextmanager
def key_manager(settings: Settings) -> Iterator[KeyManager]:
    """Changes keys for the command line; running servers reload them. Raises `SettingsError`."""
    managed = partial(KeyManager, algorithm=settings.token_algorithm, rotation_days=rotation_days(settings))
    if not settings.secret:
        yield managed(FileKeyStore(keys_file(settings)), before_first=partial(_refuse_first_keys, settings))
        return
    with _encrypted_key_store_at(settings) as store:
        yield managed(store)


def _refuse_first_keys(settings: Settings) -> None:
    with _database(settings) as database, reported_as("DATA_DIR"):
        refuse_first_keys(settings, database)


@contextmanager
def _database(settings: Settings) -> Iterator[SqlDatabase]:
    with reported_as("DATABASE_URL"):
        prepare(settings.resolved_database_url)
    with closing(SqlDatabase(settings.resolved_database_url)) as database:
        yield database


def create_keys(settings: Settings, *, actor: str) -> int:
    """Makes keys in place of lost ones, and ends all sessions; returns their number. Raises `SettingsError`."""
    with _database(settings) as database, reported_as("SECRET" if settings.secret else "DATA_DIR"):
        if not settings.secret and database.keys.read() is not None:
            raise SettingsError(SECRET_NOT_SET)
        store = key_store(settings, database)
        if any(one.read() != KeySet() for one in (store, FileKeyStore(keys_file(settings)))):
            raise SettingsError("There are keys already; `vestibule keys rotate` replaces them.")
        ended = end_sessions(settings.resolved_database_url, by="keys create", actor=actor)
        open_keys(store, algorithm=settings.token_algorithm)
    return ended


def reencrypt_keys(settings: Settings) -> bool:
    """Encrypts the keys with the first secret; returns False if they are already. Raises `SettingsError`."""
    if not settings.secret:
        raise SettingsError("VESTIBULE_SECRET is not set, so no keys are encrypted with it.")
    with _encrypted_key_store_at(settings) as store:
        return store.reencrypt()


@contextmanager
def _encrypted_key_store_at(settings: Settings) -> Iterator[EncryptedKeyStore]:
    """A store that has every kind of key."""
    with _database(settings) as database:
        store = encrypted_key_store(settings, database)
        with reported_as("SECRET"):
            open_keys(store, before_first=partial(refuse_first_keys, settings, database), algorithm=settings.token_algorithm)
        yield store


def record_key_change(settings: Settings, detail: str, *, actor: str) -> None:
    """Records the change of keys, and who made it, in the audit log. Raises `SettingsError` if the database is unavailable."""
    with reported_as("DATABASE_URL"):
        prepare(settings.resolved_database_url)
        with closing(SqlDatabase(settings.resolved_database_url)) as database, database.begin() as tx:
            tx.audit_log.add(Event(type=EventType.KEYS_CHANGED, occurred_at=time(), detail=detail, actor=actor))


copy_database, back_up_database, inspect_accounts = copy, back_up, inspect_copy  # the command line imports no adapters
DatabaseContents = Contents
RekeyReport = Rekeyed
RekeyObstacle = Obstacle
Keys = KeyManager


def migrate_copy(file: Path) -> None:
    """Brings the copy of an embedded database to the schema of this program. Raises `ValueError`, one line."""
    try:
        migrate(url_of_file(file))
    except (SchemaTooNew, Unavailable) as fault:
        raise ValueError(str(fault) or f"{file.name} cannot be used.") from fault


def rekey_accounts(settings: Settings, on_progress: Callable[[str, int, int], None], *, actor: str, dry_run: bool) -> Rekeyed:
    """Reads all mobiles again with the region of the settings, or only says what that changes. Raises `ValueError`."""
    with reported_as("DEFAULT_REGION"):
        identifiers = LibraryIdentifiers(settings.default_region)

    @lru_cache(maxsize=4096)  # an account is read several times in a row
    def read(text: str) -> Address | None:
        return identifiers.login(text).address  # also of countries that get no SMS: those accounts exist

    url = settings.resolved_database_url
    if not is_postgres(url) and not path_of(url).is_file():
        raise SettingsError(f"VESTIBULE_DATABASE_URL: there is no database at {path_of(url)}.")
    return rekey(url, settings.default_region or "", read, time(), on_progress, actor=actor, dry_run=dry_run)


def end_sessions(url: str, *, by: str, actor: str) -> int:
    """Ends all sessions, codes and proofs in a database, and returns the number of sessions.

    The audit log names the command, `by`, and its `actor`. Raises `SettingsError`.
    """
    with reported_as("DATABASE_URL"), closing(SqlDatabase(url)) as database:
        now = time()
        ended = database.end_sessions_and_codes(now)
        with database.begin() as tx:
            tx.audit_log.add(Event(type=EventType.ALL_SESSIONS_ENDED, occurred_at=now, detail=f"{ended} by {by}", actor=actor))
    return ended


def end_sessions_of_copy(file: Path, *, actor: str) -> int:
    """Ends all sessions in the copy of an embedded database."""
    return end_sessions(url_of_file(file), by="restore", actor=actor)


def check_keys(file: Path) -> None:
    """Creates no keys. Raises `ValueError`, one line, if a key is invalid or a kind has none, and `OSError`."""
    if not file.exists():
        raise ValueError(f"There are no keys at {file}.")
    read_keys(FileKeyStore(file))


def has_encrypted_keys(settings: Settings, file: Path) -> bool:
    """Returns whether the copy of a database contains the keys. Raises `SettingsError` if the secret does not decrypt them."""
    with reported_as("SECRET"), closing(SqlDatabase(url_of_file(file))) as database:
        if database.keys.read() is None:
            return False
        if not settings.secret:
            raise SettingsError(SECRET_NOT_SET)
        read_keys(encrypted_key_store(settings, database))
        return True
