"""Opens the use cases on given settings, with adapters of Vestibule's own or of the host application, which imports it."""

import logging
import os
from asyncio import CancelledError, create_task, shield, to_thread
from collections.abc import Collection
from contextlib import ExitStack, suppress
from threading import Thread, Timer
from typing import TypedDict, Unpack, get_type_hints

from ...adapters.database import migrate as migrate_database
from ...adapters.database import prepare
from ...adapters.files import make_data_directory_private
from ...adapters.rate_limiter import RedisRateLimiter
from ...adapters.storage import S3Storage
from ...application import Unavailable
from ...application.ports import (
    Admission,
    Clock,
    Codes,
    Devices,
    Hasher,
    Identifiers,
    Images,
    LegacyDirectory,
    Notifier,
    PasswordRules,
    RateLimiter,
    RecordedDatabase,
    Storage,
    Tokens,
)
from ..async_facade import AsyncVestibule
from ..facade import Vestibule
from ..observability import Instrumentation
from ..settings import Settings, SettingsError
from ..workers.delivery import DeliveryWorkers
from ..workers.subscriptions import Subscriptions
from .checks import SECRET_NOT_SET, check_values, reported_as
from .container import Container
from .factories import Echo

_log = logging.getLogger("vestibule.keys")


class Adapters(TypedDict, total=False):
    """The ports whose adapters the host application may provide; `vestibule.application.ports` documents the promises of each.

    Vestibule then does not build its own adapter for that port, and does not check the settings that only this adapter reads.
    The host application closes the adapter, after the build.
    """

    database: RecordedDatabase
    """Stores accounts. Its attribute `may_block` is False if calls are short enough for an event loop; otherwise they run
    in threads. Vestibule finds new messages in its outbox within five seconds, new events in its audit log within one."""
    tokens: Tokens
    """Access and refresh tokens. A method `jwks` may return the public keys (RFC 7517)."""
    codes: Codes
    """One-time codes and digests. With `tokens` and `codes` given Vestibule makes no keys in the data directory."""
    hasher: Hasher
    """Password hashes. A hasher may read the hashes of an older system; if `needs_rehash` is true for them, a login replaces
    them."""
    identifiers: Identifiers
    """Rules for usernames, emails, mobiles and names."""
    admission: Admission
    """Decides who may register, and with which addresses."""
    password_rules: PasswordRules
    """Judges new passwords, after the rules of the settings."""
    legacy_directory: LegacyDirectory
    """Checks passwords of people whose accounts another system has, at their first login."""
    devices: Devices
    """Names the devices of user agents, for notices and to tell a new device from a known one."""
    notifier: Notifier
    """Delivers mail and SMS, but no webhooks. Its messages count towards EMAILS_PER_HOUR and SMS_PER_HOUR."""
    images: Images
    """Makes a safe image from an upload, which may come from an attacker."""
    storage: Storage
    """Stores images."""
    rate_limiter: RateLimiter
    """Limits calls per IP address. It is used even if RATE_LIMITS is off."""
    clock: Clock
    """The current time. Delivery workers pause by the machine's own clock."""


class Build:
    """The use cases on given settings, not open yet: `with` gives a `Vestibule`, `async with` an `AsyncVestibule`.

    `open` and `close`, or `aopen` and `aclose`, do the same for a program that lives long. The asynchronous ones do not block
    the event loop. Use cases raise `RuntimeError` once they are closed; the build may then be opened again.
    """

    def __init__(self, settings: Settings, overrides: Adapters, *, run_workers: bool, echo: Echo | None) -> None:
        self.settings = settings
        self._overrides = overrides
        self._run_workers = run_workers
        self._echo = echo
        self._is_open = False
        self._closing = ExitStack()
        self._vestibule: Vestibule | None = None

    def open(self) -> Vestibule:
        """Raises `SettingsError` for settings that cannot work, `RuntimeError` if this build is open."""
        if self._is_open:
            raise RuntimeError("This build is open already; call build(…) again for another Vestibule.")
        self._is_open = True
        with ExitStack() as stack:  # closes what was built, if a later part fails
            stack.callback(setattr, self, "_is_open", False)
            vestibule = self._open(stack)
            self._vestibule = vestibule
            self._closing = stack.pop_all()
        return vestibule

    def close(self) -> None:
        """Stops the threads, after the message and the events at hand, and closes the adapters. Does nothing a second time."""
        self._closing.close()

    async def aopen(self) -> AsyncVestibule:
        opening = create_task(to_thread(self.open))
        try:
            return AsyncVestibule(await shield(opening))
        except CancelledError:
            await opening  # a migration cannot be interrupted
            await to_thread(self.close)
            raise

    async def aclose(self) -> None:
        await shield(create_task(to_thread(self.close)))

    def __enter__(self) -> Vestibule:
        return self.open()

    async def __aenter__(self) -> AsyncVestibule:
        return await self.aopen()

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _refuse_calls(self) -> None:
        vestibule, self._vestibule = self._vestibule, None
        if vestibule is not None:
            vestibule.refuse_calls()

    def _open(self, stack: ExitStack) -> Vestibule:
        if unknown := sorted(self._overrides.keys() - Adapters.__annotations__.keys()):
            raise TypeError(f"build() takes no {unknown[0]!r}; the ports are {', '.join(Adapters.__annotations__)}.")
        for port, adapter in self._overrides.items():
            _check_adapter(port, adapter)
        workers = DeliveryWorkers()
        subscriptions = Subscriptions(on_event=workers.notify if self.settings.webhook_url else None)
        container = Container(
            settings=self.settings,
            on_message=workers.notify,
            subscriptions=subscriptions,
            echo=self._echo,
            overrides=frozenset(self._overrides),
            **{_PROVIDERS.get(port, port): adapter for port, adapter in self._overrides.items()},
        )
        _build_adapters(container, self.settings, self._overrides, stack)
        vestibule = container.vestibule()
        if isinstance(vestibule.rate_limiter, RedisRateLimiter) and "rate_limiter" not in self._overrides:
            vestibule.rate_limiter.probe()
        stack.callback(self._refuse_calls)  # after the threads below have stopped, which may be in a call
        if (enqueue_webhooks := container.enqueue_webhooks()) is not None:
            with suppress(Unavailable):  # then the delivery worker repeats it
                enqueue_webhooks.start()
        stack.callback(workers.stop)
        stack.callback(subscriptions.stop)
        if self._run_workers:
            deliver = vestibule.deliver_messages if self.settings.delivery else None
            workers.start(deliver, vestibule.purge, vestibule.watch_failures, vestibule.rotate_keys)
            loading = Timer(_DEVICES_AFTER, container.devices().name, ["-"])
            loading.daemon = True
            loading.start()
            stack.callback(loading.cancel)
            if "storage" not in self._overrides and isinstance(storage := container.storage(), S3Storage):
                Thread(target=storage.probe, name="images").start()  # a bucket that is slow or down does not delay the start
        return vestibule


def build(
    settings: Settings | None = None, *, run_workers: bool = True, echo: Echo | None = None, **adapters: Unpack[Adapters]
) -> Build:
    """Prepares the use cases on these settings (`Settings()` by default), to be opened by `with` or `async with`.

    Opening migrates the embedded database. With `run_workers`, threads purge expired rows, rotate the keys that are due, watch
    the failures of the service, and deliver messages unless the setting `delivery` is off. Without it the caller runs
    `deliver_messages`, `purge`, `rotate_keys` and `watch_failures`. `echo` is called with the text of each message put in the
    outbox directory. Opening raises `SettingsError` for settings that cannot work, and `TypeError` for a port that does not
    exist or an adapter that lacks a method of its port. Raises `TypeError` for settings of another type.
    """
    if not isinstance(settings, Settings | None):
        raise TypeError(f"build() takes vestibule.Settings(…), not {type(settings).__name__}.")
    return Build(settings or Settings(), adapters, run_workers=run_workers, echo=echo)


def _check_adapter(port: str, adapter: object) -> None:
    """Raises `TypeError` for an adapter without a method of its port: else its first call would fail, in some other thread."""
    interface = get_type_hints(Adapters)[port]
    names = [name for name in dir(interface) if not name.startswith("_")] or ["__call__"]
    if missing := [name for name in names if not hasattr(adapter, name)]:
        kind = type(adapter).__name__
        raise TypeError(f"build() takes an adapter with {', '.join(missing)} as {port!r}; {kind} has no such method.")


def check_settings(settings: Settings, *, migrate: bool = False) -> None:
    """Makes the data directory, migrates the embedded database, and builds each adapter and closes it again.

    A PostgreSQL database is migrated only with `migrate`, and must be migrated already otherwise. Missing keys are made,
    but with `migrate` none in the database, which may be the empty target of a copy. The process is left as it was, so
    that it can fork servers. Raises `SettingsError`, one line that names the setting.
    """
    with ExitStack() as stack:
        # No instrumentation: prometheus_client must not be imported before the servers start.
        container = Container(settings=settings, instrumentation=Instrumentation())
        _build_adapters(container, settings, (), stack, migrate=migrate)


_DEVICES_AFTER = 1.0
"""Seconds after which the rules for devices are loaded: before most logins, without delaying the first response by 0.1 s."""

_PROVIDERS = {
    "database": "sql_database",
    "notifier": "mail_and_sms_notifier",
    "legacy_directory": "configured_legacy_directory",
}
"""The providers that a port's adapter replaces, where their names differ."""

_BUILT = (
    ("database", "sql_database", "DATABASE_URL"),
    ("hasher", "hasher", "PASSWORD_HASH"),
    ("notifier", "templates", "TEMPLATES_DIR"),
    ("notifier", "email_notifier", "EMAIL_URL"),
    ("notifier", "sms_notifier", "SMS_URL"),
    ("webhook", "webhook_notifier", "WEBHOOK_URL"),
    ("rate_limiter", "rate_limiter", "REDIS_URL"),
    ("storage", "storage", "IMAGES_URL"),
    ("images", "pillow", "IMAGES_URL"),
    ("identifiers", "identifiers", "MOBILE_REGIONS"),
    ("admission", "admission", "EMAIL_DOMAINS"),
    ("legacy_directory", "configured_legacy_directory", "LEGACY_DIRECTORY_URL"),
)
"""Port, provider, and the setting that an error is reported as. The first one is closed last."""


def _build_adapters(
    container: Container, settings: Settings, overrides: Collection[str], stack: ExitStack, *, migrate: bool = False
) -> None:
    """Builds each adapter once, for `stack` to close. Raises `SettingsError`, before the database is migrated if possible."""
    if not {"database", "tokens", "codes", "notifier", "storage"} <= set(overrides):
        with reported_as("DATA_DIR"):
            settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            make_data_directory_private(settings.data_dir)
            if not os.access(settings.data_dir, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
                raise SettingsError(f"VESTIBULE_DATA_DIR: this user cannot write to {settings.data_dir}.")
    check_values(settings, overrides)
    for port, provider, setting in _BUILT:
        if port not in overrides:
            with reported_as(setting):
                adapter = getattr(container, provider)()
            if hasattr(adapter, "close"):
                stack.callback(adapter.close)
    if "database" not in overrides:
        with reported_as("DATABASE_URL"):
            (migrate_database if migrate else prepare)(settings.resolved_database_url)
        with reported_as("DEFAULT_REGION"):
            container.sql_database().check_mobile_region()
    if not {"tokens", "codes"} <= set(overrides) and not (migrate and settings.secret):
        _load_keys(container, settings, overrides)


def _load_keys(container: Container, settings: Settings, overrides: Collection[str]) -> None:
    if not settings.secret and "database" not in overrides:
        with reported_as("DATABASE_URL"):
            if container.sql_database().keys.read() is not None:  # other servers would refuse tokens of other keys
                raise SettingsError(SECRET_NOT_SET)
    with reported_as("SECRET" if settings.secret else "DATA_DIR"):
        keys = container.keys().current()
    if container.key_rotation() is None and keys.signing[-1].algorithm != settings.token_algorithm:
        _log.warning("VESTIBULE_TOKEN_ALGORITHM: run `vestibule keys rotate`, and copy keys.json to every server")
