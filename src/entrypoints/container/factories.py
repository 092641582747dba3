"""Factories of adapters and of the small collaborators that depend on settings."""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ...adapters.admission import ConfiguredAdmission, EmailDomains
from ...adapters.database import SqlDatabase
from ...adapters.hasher import Argon2Hasher, build_of_argon2, pool_for
from ...adapters.keys import EncryptedKeyStore, FileKeyStore, KeyManager, KeyStore
from ...adapters.legacy_directory import BoundedLegacyDirectory, HttpLegacyDirectory
from ...adapters.notifier import (
    AppriseNotifier,
    FileNotifier,
    RateLimitedNotifier,
    SmtpNotifier,
    StoredMessage,
    Templates,
    WebhookNotifier,
    read_files,
)
from ...adapters.rate_limiter import MemoryRateLimiter, NodeRateLimiter, RedisRateLimiter, node_limits_file, remove_node_limits
from ...adapters.storage import FileStorage, S3Storage
from ...application.event_consumer import ReadEvents
from ...application.ports import (
    Admission,
    Channel,
    Clock,
    Database,
    Hasher,
    LegacyDirectory,
    Notifier,
    PasswordRules,
    RateLimiter,
    Storage,
)
from ...application.send_quota import SendQuota
from ...application.webhooks import EnqueueWebhooks
from ...domain.account import AddressKind
from ...domain.events import STATE_CHANGES
from ...domain.quota import HourlyQuota
from ...domain.rate_limits import RateLimit
from ..concurrency.executors import GroupCommit
from ..concurrency.lanes import HASHING_THREADS
from ..observability import Instrumentation
from ..settings import Settings, SettingsError
from ..settings.parsers import HashCost, secret_bytes

SMTP_TIMEOUT = 10.0
"""Seconds for an answer of the mail server."""


class Unlimited:
    """A rate limiter without limits, for load tests."""

    may_block = False

    def hit(self, key: str, limits: tuple[RateLimit, ...], now: float) -> int:  # noqa: ARG002 — the port's names
        return 0


def keys_file(settings: Settings) -> Path:
    return settings.data_dir / "keys.json"


def images_in(settings: Settings) -> Path | None:
    """The directory of the images; None where they are kept on S3."""
    return settings.data_dir / "images" if settings.images_url == "file:" else None


def key_store(settings: Settings, database: SqlDatabase) -> KeyStore:
    """The key file, or the database if there is a secret to encrypt the keys with."""
    return encrypted_key_store(settings, database) if settings.secret else FileKeyStore(keys_file(settings))


def encrypted_key_store(settings: Settings, database: SqlDatabase) -> EncryptedKeyStore:
    if not hasattr(database, "keys"):
        raise SettingsError("VESTIBULE_SECRET: cannot be used with a custom database adapter, which stores no keys; unset it.")
    secrets = [secret_bytes(secret) for secret in settings.secret]
    return EncryptedKeyStore(database.keys, secrets, earlier=FileKeyStore(keys_file(settings)))


def mobile_region(settings: Settings, overrides: Collection[str] = ()) -> str | None:
    """The region to keep with the mobiles, "" for none; None if the host application reads them by rules of its own."""
    return None if "identifiers" in overrides else settings.default_region or ""


_ROTATION_DAYS = 90


def rotation_days(settings: Settings, overrides: Collection[str] = ()) -> int:
    """The age at which a key is replaced by itself; 0 for never, where servers may have copies of `keys.json`."""
    if settings.keys_rotate_days is not None:
        return settings.keys_rotate_days
    return _ROTATION_DAYS if shares_keys(settings, overrides) else 0


def shares_keys(settings: Settings, overrides: Collection[str] = ()) -> bool:
    """Returns whether all servers surely have the same keys: in the database, or next to the embedded one."""
    return bool(settings.secret) or ("database" not in overrides and settings.resolved_database_url.startswith("sqlite:"))


def rotates_keys(settings: Settings, overrides: Collection[str]) -> bool:
    """Returns whether keys are added by themselves: by their age, or because of another algorithm."""
    has_keys = not {"tokens", "codes"} <= set(overrides)
    return has_keys and (shares_keys(settings, overrides) or rotation_days(settings, overrides) > 0)


def key_rotation(settings: Settings, overrides: Collection[str], store: KeyStore, clock: Clock) -> KeyManager | None:
    """Returns None where keys stay until the operator rotates them."""
    if not rotates_keys(settings, overrides):
        return None
    return KeyManager(store, clock, algorithm=settings.token_algorithm, rotation_days=rotation_days(settings, overrides))


def refuse_first_keys(settings: Settings, database: Any) -> None:
    """Raises `ValueError` if the database has accounts: new keys in place of lost ones would log everybody out.

    A database of the host application cannot be asked.
    """
    if hasattr(database, "has_accounts") and database.has_accounts():
        place = "the database, which has" if settings.secret else f"{keys_file(settings)}, but the database has"
        raise ValueError(
            f"there are no keys in {place} accounts: restore the keys from a backup, "
            "or run `vestibule keys create`, which makes new ones and ends all sessions"
        )


def argon2(
    cost: HashCost, instrumentation: Instrumentation | None = None, *, workers: int = 1, firebase_signer_key: str | None = None
) -> Argon2Hasher:
    """Raises `ValueError` for a cost that is too low to be safe, or too high for a server."""
    pool = None
    if instrumentation is not None:
        pool = instrumentation.hashing(pool_for(cost.time_cost, cost.memory_kib, workers=workers))
    signer_key = None if firebase_signer_key is None else secret_bytes(firebase_signer_key)
    return Argon2Hasher(cost.time_cost, cost.memory_kib, cost.parallelism, pool=pool, firebase_signer_key=signer_key)


Echo = Callable[[str], None]


def argon2_build() -> str:
    """Names the compiled library of Argon2 that is installed, for the operator."""
    return build_of_argon2()


def hashing_share(settings: Settings, hasher: Hasher) -> int | None:
    """A quarter of the hashes that may run or wait at once, so that one network never fills the queue."""
    capacity: int = getattr(hasher, "capacity", HASHING_THREADS)
    return max(1, capacity // 4) if settings.rate_limits else None


def email_notifier(settings: Settings, templates: Templates, echo: Echo | None) -> Notifier:
    if settings.email_url.startswith("outbox:"):
        return FileNotifier(settings.data_dir / "outbox", templates, settings.email_from, echo=echo)
    return smtp_notifier(settings, templates)


def smtp_notifier(settings: Settings, templates: Templates, timeout: float = SMTP_TIMEOUT) -> SmtpNotifier:
    return SmtpNotifier(settings.email_url, settings.email_from, templates, timeout, helo=settings.email_helo)


def sms_notifier(settings: Settings, templates: Templates, echo: Echo | None) -> Notifier:
    if settings.sms_url.startswith("outbox:"):
        return FileNotifier(settings.data_dir / "outbox", templates, settings.email_from, echo=echo)
    return AppriseNotifier(settings.sms_url, templates)


def outbox_files(settings: Settings) -> Callable[[], Sequence[StoredMessage]]:
    """A function that reads the latest messages that became files."""
    return partial(read_files, settings.data_dir / "outbox", settings.code_length)


def webhook_notifier(settings: Settings, instrumentation: Instrumentation) -> Notifier | None:
    if settings.webhook_url is None:
        return None
    return instrumentation.notifier(WebhookNotifier(settings.webhook_url, settings.webhook_secret))


def channels(settings: Settings) -> tuple[Channel, ...]:
    """The channels with messages to deliver; each has a delivery worker of its own."""
    messages = (Channel.EMAIL, Channel.MOBILE)
    return messages if settings.webhook_url is None else (*messages, Channel.WEBHOOK)


def enqueue_webhooks(settings: Settings, database: Database, read_events: ReadEvents, clock: Clock) -> EnqueueWebhooks | None:
    if settings.webhook_url is None:
        return None
    types = frozenset(settings.webhook_events) or STATE_CHANGES
    return EnqueueWebhooks(database=database, read_events=read_events, clock=clock, types=types)


def at_rate(instrumentation: Instrumentation, notifier: Notifier, per_second: float | None) -> Notifier:
    watched = instrumentation.notifier(notifier)
    return watched if per_second is None else RateLimitedNotifier(watched, per_second)


def rate_limiter(settings: Settings) -> RateLimiter:
    if not settings.rate_limits:
        return Unlimited()
    limiter: RateLimiter = MemoryRateLimiter()
    if settings.workers > 1:
        limiter = NodeRateLimiter(node_limits_file(settings.data_dir), fallback=limiter)
    return limiter if settings.redis_url is None else RedisRateLimiter(settings.redis_url, fallback=limiter)


def remove_earlier_limits(settings: Settings) -> None:
    """Makes the workers that start next count from zero, in a file that no crash of the machine damaged."""
    remove_node_limits(settings.data_dir)


def send_quota(
    settings: Settings, rate_limiter: RateLimiter, clock: Clock, overrides: Collection[str] = ()
) -> SendQuota | None:
    """Messages that become files cost nothing, and have no quota."""
    channels = (
        (AddressKind.EMAIL, settings.email_url, settings.emails_per_hour),
        (AddressKind.MOBILE, settings.sms_url, settings.sms_per_hour),
    )
    charged = [channel for channel in channels if "notifier" in overrides or not channel[1].startswith("outbox:")]
    per_hour = {kind: limit for kind, _, limit in charged}
    if not per_hour:
        return None
    by_network = settings.rate_limits
    return SendQuota(quota=HourlyQuota(per_hour), rate_limiter=rate_limiter, clock=clock, limits_by_ip_address=by_network)


def storage(settings: Settings) -> Storage:
    directory = images_in(settings)
    return S3Storage(settings.images_url) if directory is None else FileStorage(directory)


def jwks_of(tokens: Any) -> Callable[[], dict[str, object]]:
    """Tokens of the host application need not have public keys."""
    jwks: Callable[[], dict[str, object]] = getattr(tokens, "jwks", lambda: {"keys": []})
    return jwks


def admission(settings: Settings) -> Admission:
    domains = EmailDomains(settings.email_domains, refuses_disposable=not settings.disposable_domains)
    return ConfiguredAdmission(settings.registration, domains)


def password_rules(settings: Settings, instrumentation: Instrumentation) -> PasswordRules:
    from ...adapters.password_rules import AcceptingWhenUnavailable, PwnedPasswords, no_further_rules  # noqa: PLC0415 — loads ssl, if it is used

    if settings.pwned_passwords is None:
        return no_further_rules
    return AcceptingWhenUnavailable(instrumentation.password_rules(PwnedPasswords(settings.pwned_passwords)))


def legacy_directory(settings: Settings) -> HttpLegacyDirectory | None:
    if settings.legacy_directory_url is None or settings.legacy_directory_secret is None:
        return None
    return HttpLegacyDirectory(
        settings.legacy_directory_url,
        settings.legacy_directory_secret,
        name=settings.legacy_directory_name,
        timeout=settings.legacy_directory_timeout,
    )


def bounded_directory(instrumentation: Instrumentation, directory: LegacyDirectory | None) -> LegacyDirectory | None:
    return None if directory is None else instrumentation.legacy_directory(BoundedLegacyDirectory(directory))


def group_commit(
    database: Database, rate_limiter: RateLimiter, admission: Admission, overrides: Collection[str]
) -> GroupCommit | None:
    """None if a call may wait for another machine: all calls of its batch would wait as well."""
    may_block = database.may_block or rate_limiter.may_block or admission.may_block
    may_wait = may_block or not {"tokens", "codes", "identifiers"}.isdisjoint(overrides)
    return None if may_wait else database.group_commit
