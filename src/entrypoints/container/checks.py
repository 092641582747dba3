"""Whether these settings can work: what is wrong is said in one line that names the setting, before anybody is served."""

from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager

from ...adapters.database import SchemaTooNew, SchemaTooOld, SqlDatabase, migrate, prepare
from ...adapters.identifiers import LibraryIdentifiers
from ...adapters.keys import FileKeyStore, open_keys
from ...adapters.notifier import Templates, read_secrets, read_sender
from ...adapters.storage import S3Storage
from ...domain.errors import Unavailable
from ..observability import Watch, check_extra
from ..settings import Settings, SettingsError
from .factories import argon2, email_notifier, keys_in, rate_limiter, sealed_shelf, sms_notifier, storage, webhook_notifier

SEALED = "the keys are in the database, sealed under it, and it is not set."


def check_settings(settings: Settings, *, migrating: bool = False, own: Collection[str] = ()) -> None:
    """Makes the data directory, for its owner alone, and brings the embedded database to the schema of this program.

    A server's database is brought there with `migrating` only, and else has to be there already. The first keys are made, but
    with `migrating` none in the database, which may be there to be copied into. What only fills a port of the importer's `own`
    is not looked at. Raises `SettingsError`, one line that names the setting, where these settings cannot work.
    """
    if not {"database", "tokens", "codes", "notifier", "storage"} <= set(own):
        with naming("DATA_DIR"):
            settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    needs_keys = not {"tokens", "codes"} <= set(own)
    if needs_keys and not settings.secret:
        with naming("DATA_DIR"):
            open_keys(FileKeyStore(keys_in(settings)))
    checks = {
        "hasher": _check_hasher,
        "notifier": _check_notifier,
        "rate_limiter": _check_rate_limiter,
        "storage": _check_storage,
        "identifiers": _check_identifiers,
    }
    for port, check in checks.items():
        if port not in own:
            check(settings)
    _check_watching(settings)
    _check_webhook(settings)
    if "database" not in own:
        with naming("DATABASE_URL"):
            (migrate if migrating else prepare)(settings.accounts_url)
        if needs_keys and not migrating:
            _check_shared_keys(settings)


def _check_hasher(settings: Settings) -> None:
    with naming("PASSWORD_HASH"):
        argon2(settings.password_hash).close()


def _check_notifier(settings: Settings) -> None:
    with naming("TEMPLATES_DIR"):
        templates = Templates(settings.templates_dir)
    with naming("EMAIL_FROM"):
        read_sender(settings.email_from)
    with naming("EMAIL_URL"):
        email_notifier(settings, templates, None)
    with naming("SMS_URL"):
        sms_notifier(settings, templates, None)


def _check_rate_limiter(settings: Settings) -> None:
    with naming("REDIS_URL"):
        rate_limiter(settings)


def _check_storage(settings: Settings) -> None:
    with naming("IMAGES_URL"):
        may_link = isinstance(storage(settings), S3Storage)
    if settings.images_redirect and not may_link:
        raise SettingsError("VESTIBULE_IMAGES_REDIRECT: there is nowhere to send to, unless VESTIBULE_IMAGES_URL names S3.")


def _check_identifiers(settings: Settings) -> None:
    with naming("DEFAULT_REGION"):
        LibraryIdentifiers(settings.default_region)
    with naming("MOBILE_REGIONS"):
        LibraryIdentifiers(mobile_regions=settings.mobile_regions)


def _check_watching(settings: Settings) -> None:
    if settings.metrics_port is not None:
        with naming("METRICS_PORT"):
            check_extra("metrics", "prometheus_client")
        if settings.metrics_port == settings.port:
            raise SettingsError("VESTIBULE_METRICS_PORT: it is VESTIBULE_PORT; metrics need a port of their own.")
    if settings.traces:
        with naming("TRACES"):
            check_extra("traces", "opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def _check_webhook(settings: Settings) -> None:
    with naming("WEBHOOK_SECRET"):
        read_secrets(settings.webhook_secret)
    with naming("WEBHOOK_URL"):
        webhook_notifier(settings, Watch())
    if (settings.webhook_url is None) is not (settings.webhook_secret == ()):
        raise SettingsError("VESTIBULE_WEBHOOK_SECRET: it and VESTIBULE_WEBHOOK_URL are set both, or neither.")


def _check_shared_keys(settings: Settings) -> None:
    with naming("SECRET"), closing(SqlDatabase(settings.accounts_url)) as database:
        if settings.secret:
            open_keys(sealed_shelf(settings, database))
        elif database.keys.all():  # a server with other keys would make tokens that are good nowhere else
            raise ValueError(SEALED)


@contextmanager
def naming(setting: str) -> Iterator[None]:
    try:
        yield
    except Unavailable as error:
        why = str(error.__cause__ or "no answer").partition("\n")[0]
        raise SettingsError(f"VESTIBULE_DATABASE_URL: it cannot be used now ({why}).") from error
    except (ValueError, OSError, ImportError, SchemaTooNew, SchemaTooOld) as error:
        raise SettingsError(f"VESTIBULE_{setting}: {error}") from error
