"""Checks of settings against each other, which read nothing else. The start of the server logs their warnings too."""

import sqlite3
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from ..settings import Settings
from .findings import Check, Finding, check, error, warning

_FIXED_IN = ((3, 44, 6), (3, 50, 7))
_RECOMMENDED_DIGITS = 6
_PROXY_IDLE_SECONDS = 60
_SECONDS_PER_HOUR = 3600


def is_embedded(settings: Settings) -> bool:
    return settings.resolved_database_url.startswith("sqlite")


def is_public(settings: Settings) -> bool:
    """Returns whether clients of other machines are meant to call, by TLS."""
    return settings.url.startswith("https:")


def sends_mail(settings: Settings) -> bool:
    return not settings.email_url.startswith("outbox:")


def sends_sms(settings: Settings) -> bool:
    return not settings.sms_url.startswith("outbox:")


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Returns whether two concurrent writers may, very rarely, corrupt the database with this SQLite.

    https://sqlite.org/wal.html#walresetbug: fixed in 3.51.3, and in later versions of 3.50 and 3.44.
    """
    return version < (3, 51, 3) and not any(version[:2] == fixed[:2] and version >= fixed for fixed in _FIXED_IN)


def _sqlite(settings: Settings) -> Iterator[Finding]:
    if is_embedded(settings) and has_wal_reset_bug(sqlite3.sqlite_version_info):
        yield warning(
            f"SQLite {sqlite3.sqlite_version} has a bug that can, very rarely, damage a database (WAL-reset)",
            "keep backups, or use 3.51.3 or newer",
        )
    if is_embedded(settings) and sqlite3.threadsafety == 0:
        yield error("SQLite was compiled for programs with one thread (THREADSAFE=0)", "use another build of Python or SQLite")


def _counting(settings: Settings) -> Iterator[Finding]:
    """Reports limits that are counted apart. There may be nodes of which this process does not know."""
    if settings.rate_limits and settings.redis_url is None and not is_embedded(settings):
        yield warning("limits per network are counted for this node alone", "several nodes share them by VESTIBULE_REDIS_URL")


def _lifted_limits(settings: Settings) -> Iterator[Finding]:
    if not settings.rate_limits and is_public(settings):
        yield warning("limits per network are off, which is for load tests", "unset VESTIBULE_RATE_LIMITS")
    if not settings.rate_limits and settings.redis_url is not None:
        yield warning("VESTIBULE_REDIS_URL is not used while limits are off", "unset one of them")


def _development(settings: Settings) -> Iterator[Finding]:
    if settings.dev:
        yield warning(
            "development mode: no limits, and a page that shows every code", "only this machine may call; unset VESTIBULE_DEV"
        )


def _mail_to_files(settings: Settings) -> Iterator[Finding]:
    if is_public(settings) and not sends_mail(settings):
        yield warning("mail is written to files, and not sent", "set VESTIBULE_EMAIL_URL")


def _sms_to_files(settings: Settings) -> Iterator[Finding]:
    if is_public(settings) and not sends_sms(settings) and (settings.mobile_required or settings.mobile_validation):
        yield warning("every account needs a mobile, but SMS are written to files", "set VESTIBULE_SMS_URL")


def _sender(settings: Settings) -> Iterator[Finding]:
    if sends_mail(settings) and settings.email_from == Settings().email_from:
        yield warning("mail is sent from an address that does not exist", "set VESTIBULE_EMAIL_FROM")


def _rates(settings: Settings) -> Iterator[Finding]:
    mail = "EMAIL_RATE", settings.email_rate, "EMAILS_PER_HOUR", settings.emails_per_hour, sends_mail(settings)
    sms = "SMS_RATE", settings.sms_rate, "SMS_PER_HOUR", settings.sms_per_hour, sends_sms(settings)
    for rate, per_second, limit, per_hour, is_sent in (mail, sms):
        if per_second is not None and is_sent and per_second * _SECONDS_PER_HOUR < per_hour:
            delivered = per_second * _SECONDS_PER_HOUR
            text = f"VESTIBULE_{rate} delivers {delivered:.0f} an hour, but VESTIBULE_{limit} accepts {per_hour}"
            yield warning(text, "raise the first, or lower the second")


def _public_url(settings: Settings) -> Iterator[Finding]:
    if settings.public_url is None and not is_loopback(settings.host):
        yield warning(f"tokens and links name {settings.url}, which is no address of clients", "set VESTIBULE_PUBLIC_URL")


def _encryption(settings: Settings) -> Iterator[Finding]:
    if settings.public_url is not None and not is_public(settings) and not is_loopback(_host(settings.url)):
        yield warning("passwords cross the network without encryption", "set VESTIBULE_PUBLIC_URL to one with https")


def _proxy(settings: Settings) -> Iterator[Finding]:
    if is_public(settings) and not settings.trusted_proxies:
        yield warning(
            "a proxy must terminate TLS, but none is trusted: all callers share its limits", "set VESTIBULE_TRUSTED_PROXIES"
        )
    if settings.client_address_header is not None and not settings.trusted_proxies:
        yield warning("VESTIBULE_CLIENT_ADDRESS_HEADER is not read without a trusted proxy", "set VESTIBULE_TRUSTED_PROXIES")
    if settings.trusted_proxies and settings.keep_alive_timeout <= _PROXY_IDLE_SECONDS:
        yield warning(
            "proxies keep idle connections for 60 seconds; a shorter VESTIBULE_KEEP_ALIVE_TIMEOUT causes errors 502",
            "set it to 75, or to more than the proxy's",
        )


def _hosts(settings: Settings) -> Iterator[Finding]:
    host = _host(settings.url)
    if settings.allowed_hosts and host not in settings.allowed_hosts:
        yield error(f"VESTIBULE_ALLOWED_HOSTS refuses {host}, the host of VESTIBULE_PUBLIC_URL", f"add {host} to it")


def _origins(settings: Settings) -> Iterator[Finding]:
    plain = [origin for origin in settings.cors_origins if origin.startswith("http:") and not is_loopback(_host(origin))]
    if plain and is_public(settings):
        yield warning(f"pages of {plain[0]} may call, and anybody on their way can change them", "name it with https")
    if settings.cors_headers and not settings.cors_origins:
        yield warning("VESTIBULE_CORS_HEADERS is not used without VESTIBULE_CORS_ORIGINS", "unset it")


def _webhook_events(settings: Settings) -> Iterator[Finding]:
    if settings.webhook_events and settings.webhook_url is None:
        yield warning("VESTIBULE_WEBHOOK_EVENTS is not used without VESTIBULE_WEBHOOK_URL", "unset it")


def _test_domains(settings: Settings) -> Iterator[Finding]:
    if settings.test_domains and is_public(settings):
        yield warning("emails at .test and the like are accepted, which no person can have", "unset VESTIBULE_TEST_DOMAINS")


def _code_length(settings: Settings) -> Iterator[Finding]:
    if settings.code_length < _RECOMMENDED_DIGITS and is_public(settings):
        yield warning(f"codes of {settings.code_length} digits are guessed too easily", "set VESTIBULE_OTP_LENGTH to 6 or more")


def _compatibility(settings: Settings) -> Iterator[Finding]:
    if settings.compatibility is not None and is_public(settings):
        text = f"for clients of {settings.compatibility} a refresh token stays valid, and the theft of one goes unnoticed"
        yield warning(text, "unset VESTIBULE_COMPATIBILITY when none of these clients is left")


def _code_lives(settings: Settings) -> Iterator[Finding]:
    if settings.code_cooldown > settings.otp_seconds:
        text = f"a code expires after {settings.otp_seconds} seconds, and the next one is sent after {settings.otp_cooldown}"
        yield warning(text, "raise VESTIBULE_OTP_SECONDS, or lower VESTIBULE_OTP_COOLDOWN")


def _session_lives(settings: Settings) -> Iterator[Finding]:
    if settings.session_idle_days > settings.session_days:
        text = "VESTIBULE_SESSION_IDLE_DAYS ends no session, since VESTIBULE_SESSION_DAYS ends it first"
        yield warning(text, "lower the first, or raise the second")


def _regions(settings: Settings) -> Iterator[Finding]:
    region, accepted = settings.default_region, settings.mobile_regions
    if region is not None and accepted and region not in accepted:
        yield warning(f"mobiles without + are of {region}, which VESTIBULE_MOBILE_REGIONS excludes", f"add {region} to it")


def _access_log(settings: Settings) -> Iterator[Finding]:
    if settings.access_log and settings.log_level in {"warning", "error"}:
        yield warning("VESTIBULE_ACCESS_LOG writes lines of the level info, which is not logged", "set VESTIBULE_LOG_LEVEL")


def _metrics(settings: Settings) -> Iterator[Finding]:
    if settings.metrics_port is not None and not is_loopback(settings.metrics_host) and is_public(settings):
        yield warning("everybody who reaches the metrics port reads the metrics", "let a firewall admit Prometheus alone")


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()


CHECKS: tuple[Check, ...] = (
    check("settings", _development, "dev"),
    check("settings", _public_url, "public_url", "host", "port"),
    check("settings", _encryption, "public_url", "host", "port"),
    check("settings", _proxy, "public_url", "trusted_proxies", "client_address_header", "keep_alive_timeout"),
    check("settings", _hosts, "public_url", "host", "port", "allowed_hosts"),
    check("settings", _origins, "public_url", "cors_origins", "cors_headers"),
    check("settings", _mail_to_files, "public_url", "email_url"),
    check("settings", _sms_to_files, "public_url", "sms_url", "mobile_required", "mobile_validation"),
    check("settings", _sender, "email_url", "email_from"),
    check("settings", _rates, "email_url", "email_rate", "emails_per_hour", "sms_url", "sms_rate", "sms_per_hour"),
    check("settings", _webhook_events, "webhook_url", "webhook_events"),
    check("settings", _test_domains, "public_url", "test_domains"),
    check("settings", _code_length, "public_url", "otp_length", "compatibility"),
    check("settings", _compatibility, "public_url", "compatibility"),
    check("settings", _code_lives, "otp_seconds", "otp_cooldown", "dev"),
    check("settings", _session_lives, "session_idle_days", "session_days"),
    check("settings", _regions, "default_region", "mobile_regions"),
    check("settings", _access_log, "access_log", "log_level"),
    check("settings", _metrics, "metrics_port", "metrics_host", "public_url"),
    check("limits", _lifted_limits, "public_url", "rate_limits", "redis_url"),
    check("limits", _counting, "rate_limits", "redis_url", "database_url", "data_dir"),
    check("sqlite", _sqlite, "database_url", "data_dir"),
)
"""The order is that of the lines in the log."""


def warnings_at_start(settings: Settings) -> Iterator[Finding]:
    for each in CHECKS:
        yield from each.run(settings)
