"""Access to the adapters for `vestibule doctor`: asks one at a time, sends no message, makes no file and no key."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import time

from ...adapters.database import DatabaseFacts, PostgresFacts, SqlDatabase, SqliteFacts, inspect
from ...adapters.files import is_private
from ...adapters.hasher import PUBLISHED_WHEEL, hashing_threads
from ...adapters.hasher.pool import cores
from ...adapters.identifiers import LibraryIdentifiers
from ...adapters.keys import HmacCodes, KeyInfo, KeyKind, KeyManager, KeySet, KeyState, KeyStore, read_keys
from ...adapters.notifier import AppriseNotifier, ProbeRequest, Templates, WebhookNotifier
from ...adapters.password_rules import PwnedPasswords
from ...adapters.rate_limiter import MemoryRateLimiter, RedisFacts, RedisRateLimiter
from ...adapters.storage import S3Storage
from ...application.ports import PermanentFailure, TemporaryFailure
from ...domain.errors import Unavailable
from ..settings import Settings, SettingsError
from ..settings.parsers import HashCost
from .checks import CHECKS, reported_as
from .factories import argon2, key_store, legacy_directory, smtp_notifier
from .maintenance import backlog
from .operator import new_token

__all__ = [
    "PUBLISHED_WHEEL",
    "DatabaseFacts",
    "KeyInfo",
    "KeyKind",
    "KeyState",
    "PermanentFailure",
    "PostgresFacts",
    "ProbeRequest",
    "RedisFacts",
    "SqliteFacts",
    "TemporaryFailure",
    "Unavailable",
    "backlog",
    "cores",
    "hashing_threads",
    "is_private",
]

_DATABASE_SECONDS = 5.0
_PROBE = b"A probe by vestibule doctor, which may be deleted."


def faults(settings: Settings) -> Iterator[str]:
    """Yields every reason why the service would not start on these settings, without building what changes something."""
    for check in CHECKS:
        try:
            check(settings, ())
        except SettingsError as error:
            yield str(error)
    builds: dict[str, Callable[[], object]] = {
        "PASSWORD_HASH": lambda: argon2(settings.password_hash).close(),
        "TEMPLATES_DIR": lambda: Templates(settings.templates_dir),
        "EMAIL_URL": lambda: None if _is_outbox(settings.email_url) else smtp_notifier(settings, Templates()),
        "SMS_URL": lambda: None if _is_outbox(settings.sms_url) else AppriseNotifier(settings.sms_url, Templates()),
        "LEGACY_DIRECTORY_URL": lambda: legacy_directory(settings),
        "MOBILE_REGIONS": lambda: LibraryIdentifiers(mobile_regions=settings.mobile_regions),
    }
    for setting, build in builds.items():
        try:
            with reported_as(setting):
                build()
        except SettingsError as error:
            yield str(error)


def _is_outbox(url: str) -> bool:
    return url.startswith("outbox:")


def seconds_of_hash(cost: HashCost, rounds: int) -> list[float]:
    """Returns the seconds of that many verifications, one at a time."""
    from time import perf_counter  # noqa: PLC0415

    hasher = argon2(cost)
    with closing(hasher):
        stored = hasher.hash("calibration")
        times = []
        for _ in range(rounds):
            started = perf_counter()
            hasher.verify(stored, "calibration")
            times.append(perf_counter() - started)
    return times


def database_facts(settings: Settings) -> DatabaseFacts | None:
    """Returns None for an embedded database that does not exist yet. Raises `SettingsError`."""
    with reported_as("DATABASE_URL"):
        return inspect(settings.resolved_database_url, seconds=_DATABASE_SECONDS)


def has_accounts(settings: Settings) -> bool:
    """Raises `Unavailable` for a database that is down, absent or without a schema."""
    with closing(SqlDatabase(settings.resolved_database_url)) as database:
        return database.has_accounts()


def max_connections() -> int:
    """Returns the number of connections that one process opens to PostgreSQL at most."""
    from ...adapters.database.postgres import MAX_CONNECTIONS  # noqa: PLC0415 — its driver is an extra

    return MAX_CONNECTIONS


@contextmanager
def _key_store(settings: Settings) -> Iterator[KeyStore]:
    with closing(SqlDatabase(settings.resolved_database_url)) as database:
        yield key_store(settings, database)


def list_keys(settings: Settings) -> Sequence[KeyInfo]:
    """Returns no key where there are none. Raises `SettingsError`."""
    with reported_as("SECRET" if settings.secret else "DATA_DIR"), _key_store(settings) as store:
        return KeyManager(store).inspect()


def lacks_secret(settings: Settings) -> bool:
    """Returns whether there are keys in the database that the settings have no secret for. Raises `Unavailable`."""
    with closing(SqlDatabase(settings.resolved_database_url)) as database:
        return not settings.secret and database.keys.read() is not None


def operator_token(settings: Settings) -> str:
    """Returns a token that shows to a running server, for a minute, that its bearer has the keys. Raises `SettingsError`."""
    with reported_as("SECRET" if settings.secret else "DATA_DIR"), _key_store(settings) as store:
        keys: KeySet = read_keys(store)
    return new_token(HmacCodes(keys), time())


def probe_mail(settings: Settings, seconds: float) -> str:
    """Returns how the mail server was reached. Raises `TemporaryFailure`, `PermanentFailure` with one line for the operator."""
    with closing(smtp_notifier(settings, Templates(), seconds / 2)) as notifier:
        return notifier.probe()


def sms_probe(settings: Settings) -> ProbeRequest | None:
    """Returns the question to the gateway, None where Apprise does not name its host. Raises `SettingsError`."""
    with reported_as("SMS_URL"):
        return AppriseNotifier(settings.sms_url, Templates()).probe_request()


def probe_passwords(settings: Settings) -> None:
    """Raises `OSError`, `HTTPException` and `ValueError`."""
    PwnedPasswords(settings.pwned_passwords or "").probe()


def probe_legacy_directory(settings: Settings) -> None:
    """Asks with an empty identifier and password. Raises `SettingsError`, `OSError`, `HTTPException`, and `ValueError`."""
    with reported_as("LEGACY_DIRECTORY_URL"):
        directory = legacy_directory(settings)
    if directory is not None:
        directory.probe()


def probe_webhook(settings: Settings, seconds: float) -> str | None:
    """Returns the `Date` of the receiver's answer. Raises `OSError` and `HTTPException`."""
    return WebhookNotifier(settings.webhook_url or "", settings.webhook_secret, seconds).probe()


def redis_facts(settings: Settings) -> RedisFacts:
    """Raises `SettingsError`, and `Unavailable` from its cause."""
    with reported_as("REDIS_URL"):
        limiter = RedisRateLimiter(settings.redis_url or "", MemoryRateLimiter())
    with closing(limiter):
        return limiter.inspect()


def probe_storage(settings: Settings) -> str:
    """Writes, reads and deletes a small object; returns the endpoint, empty for that of AWS.

    Raises `SettingsError`, and `OSError` whose text has the step that failed and the reason.
    """
    with reported_as("IMAGES_URL"):
        storage = S3Storage(settings.images_url)
    step = "writing"
    try:
        name = storage.put(_PROBE)
        step = "reading"
        is_same = storage.get(name) == _PROBE
        step = "deleting"
        storage.delete(name)
    except Unavailable:
        raise OSError(f"{step} an object failed ({storage.failure})") from None
    if not is_same:
        raise OSError("an object was read with another content than it was written with")
    return storage.endpoint


def nearest(directory: Path) -> Path:
    """Returns the directory, or the nearest one above it that exists and may be seen."""
    paths = (directory.absolute(), *directory.absolute().parents)
    return next(path for path in paths if os.path.exists(path))  # noqa: PTH110 — `Path.exists` raises without permission
