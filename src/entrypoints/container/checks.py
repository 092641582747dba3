"""Checks of settings that depend on each other, and the reporting of errors by the name of their setting."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from ...adapters.database import SchemaTooNew, SchemaTooOld
from ...adapters.http_client import is_loopback
from ...adapters.identifiers import LibraryIdentifiers
from ...adapters.notifier import read_secrets, read_sender
from ...domain.errors import Unavailable
from ..observability import check_extra
from ..settings import Settings, SettingsError
from .factories import shares_keys

SECRET_NOT_SET = "VESTIBULE_SECRET is not set, but the keys in the database are encrypted with it."  # noqa: S105 — a message


@contextmanager
def reported_as(setting: str) -> Iterator[None]:
    """Turns an adapter's error into a `SettingsError`, one line that names the setting."""
    try:
        yield
    except Unavailable as error:
        why = str(error.__cause__ or "no answer").partition("\n")[0]
        raise SettingsError(f"VESTIBULE_DATABASE_URL: the database is unavailable ({why}).") from error
    except FileExistsError as error:
        raise SettingsError(f"VESTIBULE_{setting}: {error.filename} is not a directory.") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SettingsError(f"VESTIBULE_{setting}: cannot use {error.filename} ({error.strerror}).") from error
    except (ValueError, OSError, ImportError, SchemaTooNew, SchemaTooOld) as error:
        raise error if isinstance(error, SettingsError) else SettingsError(f"VESTIBULE_{setting}: {error}") from error


def check_values(settings: Settings, overrides: Collection[str]) -> None:
    """Raises `SettingsError`. Settings that only an overridden adapter would read are not checked."""
    for check in CHECKS:
        check(settings, overrides)


def check_development(settings: Settings, _: Collection[str] = ()) -> None:
    """Raises `SettingsError` if development mode is on where another machine could reach the page that shows all codes."""
    if not settings.dev:
        return
    mode = "VESTIBULE_DEV: the development mode is for this machine alone"
    if not is_loopback(settings.host):
        raise SettingsError(f"{mode}: VESTIBULE_HOST must be 127.0.0.1, ::1 or localhost.")
    if settings.url.startswith("https:"):
        raise SettingsError(f"{mode}: VESTIBULE_PUBLIC_URL must not begin with https.")
    if settings.trusted_proxies:
        raise SettingsError(f"{mode}: there must be no proxy, so unset VESTIBULE_TRUSTED_PROXIES.")


def _check_rotation(settings: Settings, overrides: Collection[str]) -> None:
    """Several servers must not each rotate their own copy of the keys."""
    if settings.keys_rotate_days and "database" not in overrides and not shares_keys(settings):
        raise SettingsError(
            "VESTIBULE_KEYS_ROTATE_DAYS: servers on PostgreSQL would each rotate a keys.json of their own. "
            "Set VESTIBULE_SECRET: the keys are in the database then, and one server rotates them for all."
        )


def _check_metrics(settings: Settings, _: Collection[str]) -> None:
    if settings.metrics_port is None:
        return
    with reported_as("METRICS_PORT"):
        check_extra("metrics", "prometheus_client")
    if settings.metrics_port == settings.port:
        raise SettingsError("VESTIBULE_METRICS_PORT must differ from VESTIBULE_PORT.")


def _check_traces(settings: Settings, _: Collection[str]) -> None:
    if settings.traces:
        with reported_as("TRACES"):
            check_extra("traces", "opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def _check_webhook(settings: Settings, _: Collection[str]) -> None:
    with reported_as("WEBHOOK_SECRET"):
        read_secrets(settings.webhook_secret)
    if (settings.webhook_url is None) is not (settings.webhook_secret == ()):
        raise SettingsError("VESTIBULE_WEBHOOK_SECRET and VESTIBULE_WEBHOOK_URL: set both or neither.")


def _check_legacy_directory(settings: Settings, overrides: Collection[str]) -> None:
    if "legacy_directory" in overrides:
        return
    if (settings.legacy_directory_url is None) is not (settings.legacy_directory_secret is None):
        raise SettingsError("VESTIBULE_LEGACY_DIRECTORY_SECRET and VESTIBULE_LEGACY_DIRECTORY_URL: set both or neither.")


def _check_sender(settings: Settings, overrides: Collection[str]) -> None:
    if "notifier" not in overrides:
        with reported_as("EMAIL_FROM"):
            read_sender(settings.email_from)


def _check_redirect(settings: Settings, overrides: Collection[str]) -> None:
    if "storage" not in overrides and settings.images_redirect and not settings.images_url.startswith("s3:"):
        raise SettingsError("VESTIBULE_IMAGES_REDIRECT: clients can be redirected only if VESTIBULE_IMAGES_URL names S3.")


def _check_region(settings: Settings, overrides: Collection[str]) -> None:
    if "identifiers" not in overrides:
        with reported_as("DEFAULT_REGION"):
            LibraryIdentifiers(settings.default_region)


CHECKS = (
    check_development,
    _check_rotation,
    _check_metrics,
    _check_traces,
    _check_webhook,
    _check_legacy_directory,
    _check_sender,
    _check_redirect,
    _check_region,
)
"""Each takes the settings and the ports with an adapter of the host application, and raises `SettingsError`."""
