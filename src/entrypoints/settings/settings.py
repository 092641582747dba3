"""Every setting of the service: its default, its parser and its help text."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import quote

from ...application.ports import SIGNING_ALGORITHMS
from ...application.tokens import DRF_USER_CLAIMS, TOKEN_CLAIMS
from ...domain.events import ACCOUNT_EVENTS, EventType
from ...domain.rate_limits import DAY, Limits
from ...domain.session import LONGEST_LIFETIME_DAYS, MAX_ACCESS_SECONDS, MAX_SESSIONS, SessionLifetime
from . import parsers as parse
from .environment import IN_FILE, PREFIX, SettingsError, given_texts
from .parsers import COSTS, HashCost, Network
from .types import is_of_type, name_of_type, type_hints

DEFAULT_COOLDOWN = 60
_DIGITS = 6
_DRF_USER_DIGITS = 5


def setting(default: Any, read: Callable[[str], Any], help: str, *, secret: bool = False) -> Any:  # noqa: A002 — click's word
    """Declares a setting. `read` parses its text, and raises `ValueError` with the reason if it is invalid."""
    return field(default=default, repr=not secret, metadata={"read": read, "help": help})


def _not_a_text(_: str) -> Limits:
    raise ValueError("must be a Limits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. `from_environment` reads `VESTIBULE_<NAME>` and `VESTIBULE_<NAME>_FILE`; an empty one is not set.

    Values that a program passes have the type of their setting, or are texts as in the environment, and are validated by the
    same rules. Raises `SettingsError`.
    """

    host: str = setting("127.0.0.1", parse.host, "The address to listen on.")
    port: int = setting(8000, parse.number(0, 65_535), "The port to listen on.")
    dev: bool = setting(
        False,
        parse.flag,
        "A development mode, for this machine alone: no limits in one's way, and a page that shows mails and codes.",
    )
    workers: int = setting(1, parse.number(1, 64), "The number of server processes.")
    send_timeout: int = setting(
        30, parse.number(1, 600), "Seconds until a connection is closed whose client reads nothing of a response; on Linux."
    )
    keep_alive_timeout: int = setting(
        75, parse.number(1, 3600), "Seconds until an idle connection is closed: one that has not sent the header of a request."
    )
    data_dir: Path = setting(Path("data"), parse.path, "The directory of database, keys, images and outbox.")
    database_url: str | None = setting(
        None,
        parse.url_of("sqlite", "postgresql", "postgres"),
        "sqlite:///path or postgresql://…; a file in the data directory by default.",
        secret=True,
    )
    secret: tuple[str, ...] = setting(
        (),
        parse.secrets,
        "A secret of 32 or more random bytes in base64 or hex; encrypts the keys in the database, for every node that has it.",
        secret=True,
    )
    email_url: str = setting(
        "outbox:",
        parse.outbox_or_url_of("smtp", "smtps"),
        "outbox: (files in the data directory), smtp://… or smtps://…",
        secret=True,
    )
    email_from: str = setting("Vestibule <no-reply@localhost.localdomain>", parse.sender, "The sender of mail.")
    email_helo: str | None = setting(
        None, parse.helo, "The name of this host for the mail server (EHLO); by default its full name, or else its address."
    )
    sms_url: str = setting("outbox:", parse.outbox_or_any_url, "outbox: or any Apprise URL.", secret=True)
    delivery: bool = setting(
        True, parse.flag, "off leaves mail, SMS and webhooks to separate processes of `vestibule deliver`."
    )
    email_rate: float | None = setting(
        None, parse.rate, "The limit of mails that a process delivers per second; none by default."
    )
    sms_rate: float | None = setting(None, parse.rate, "The limit of SMS that a process delivers per second; none by default.")
    emails_per_hour: int = setting(
        1000, parse.number(1, 100_000), "The hourly limit of codes by mail, unless EMAIL_URL is outbox:."
    )
    sms_per_hour: int = setting(100, parse.number(1, 100_000), "The hourly limit of codes by SMS, unless SMS_URL is outbox:.")
    webhook_url: str | None = setting(
        None, parse.url_of("https", "http"), "https://… that receives signed events of accounts; none by default.", secret=True
    )
    webhook_secret: tuple[str, ...] = setting(
        (),
        parse.signing_secrets,
        "Secrets that sign webhooks: whsec_ and base64; during a rotation several, separated by spaces.",
        secret=True,
    )
    webhook_events: tuple[EventType, ...] = setting(
        (), parse.events(ACCOUNT_EVENTS), "The events sent there: registered, logged_in, …; by default every change."
    )
    images_url: str = setting("file:", parse.images_url, "file: (the data directory) or s3://bucket/prefix.")
    images_redirect: bool = setting(
        False, parse.flag, "on redirects clients to images on S3 by a URL that is signed for five minutes."
    )
    redis_url: str | None = setting(
        None,
        parse.url_of("redis", "rediss", "unix"),
        "redis://… or rediss://…: all workers and nodes that name it share their limits per IP address.",
        secret=True,
    )
    templates_dir: Path | None = setting(None, parse.path, "A directory of templates that replace those of the messages.")
    public_url: str | None = setting(None, parse.public_url, "The URL that clients use; http://host:port by default.")
    api_prefix: str = setting("", parse.path_prefix, "A path that all endpoints are mounted under, such as /api/user.")
    compatibility: str | None = setting(
        None,
        parse.one_of("drf-user"),
        "drf-user gives its clients the answers that they know from it; by default all get those of the API's description.",
    )
    trusted_proxies: tuple[Network, ...] = setting(
        (), parse.networks, "Networks of proxies that are trusted to forward the caller's address: 10.0.0.0/8, …"
    )
    client_address_header: str | None = setting(
        None, parse.header_name, "The header in which they do; by default X-Forwarded-For or Forwarded, whichever comes."
    )
    allowed_hosts: tuple[str, ...] = setting(
        (), parse.hosts, "Host names that the service accepts: accounts.example.org, …; any by default."
    )
    cors_origins: tuple[str, ...] = setting(
        (), parse.origins, "CORS: origins whose pages may call the service from a browser: https://app.example.org, …"
    )
    cors_headers: tuple[str, ...] = setting(
        (), parse.header_names, "CORS: headers that these pages may send, besides the usual ones: X-My-Header, …"
    )
    revocations_secret: str | None = setting(
        None,
        parse.bearer_secret,
        "The bearer secret of services that read revoked sessions (/revocations/); not served without it.",
        secret=True,
    )
    rate_limits: bool = setting(
        True, parse.flag, "off lifts the limits per network, of uploads and of logins, for a load test."
    )
    admin: bool = setting(True, parse.flag, "The calls of operators (/admin/); off takes them away.")
    docs: bool | None = setting(None, parse.flag, "The OpenAPI page; on by default, unless PUBLIC_URL is https.")
    log_format: str = setting("text", parse.one_of("text", "json"), "text for people, or json for machines: one object a line.")
    log_level: str = setting("info", parse.one_of("debug", "info", "warning", "error"), "The lowest level that is logged.")
    access_log: bool | None = setting(
        None, parse.flag, "A log line for each call; on by default at a terminal, with DEV, and if LOG_FORMAT is json."
    )
    metrics_port: int | None = setting(
        None, parse.number(1, 65_535), "The port that Prometheus scrapes; no metrics by default."
    )
    metrics_host: str = setting("127.0.0.1", parse.host, "The address to listen on for scrapes.")
    traces: bool = setting(False, parse.flag, "on exports traces by OTLP over HTTP, as the variables OTEL_… say.")
    service_name: str = setting("Vestibule", parse.words, "The name of the service in messages.")
    default_region: str | None = setting(None, parse.region, "The country of mobiles without +, such as DE.")
    mobile_regions: tuple[str, ...] = setting(
        (), parse.regions, "Countries of accepted mobiles, such as DE, AT; all by default."
    )
    mobile_required: bool = setting(False, parse.flag, "Whether every account needs a mobile.")
    email_validation: bool = setting(False, parse.flag, "Whether a new email must have been verified within the last hour.")
    mobile_validation: bool = setting(False, parse.flag, "Whether a new mobile must have been verified within the last hour.")
    test_domains: bool = setting(
        False, parse.flag, "Whether emails at .test, .localhost and the like are accepted, for development."
    )
    registration: str = setting(
        "open",
        parse.one_of("open", "invited", "closed"),
        "Who may register: everybody (open), who was invited (invited), or no one (closed).",
    )
    invitation_url: str | None = setting(
        None,
        parse.invitation_url,
        "The page to register at, as invitations link to it: https://app.example.org/join?invitation={token}.",
    )
    email_domains: tuple[str, ...] = setting(
        (),
        parse.email_domains,
        "Domains of accepted emails: example.com, *.example.org (below it), !spam.example (refused); all by default.",
    )
    disposable_domains: bool = setting(True, parse.flag, "off refuses emails at domains of throw-away mail, from a list.")
    otp_length: int | None = setting(
        None, parse.number(4, 10), "Digits of a one-time code; 6 by default, and 5 with COMPATIBILITY."
    )
    otp_seconds: int = setting(300, parse.number(60, 600), "Seconds until a one-time code expires.")
    otp_cooldown: int = setting(DEFAULT_COOLDOWN, parse.number(1, 86_400), "Seconds between two codes to the same address.")
    fresh_login: int | None = setting(
        3600,
        parse.number_or_off(1, 30 * 86_400),
        "Seconds for which a login is fresh: later, changes of password, email or mobile, deletion and export want the current "
        "password; off lifts that.",
    )
    access_seconds: int = setting(
        300,
        parse.number(60, MAX_ACCESS_SECONDS),
        "Seconds until an access token expires, and other services learn of a log-out at the latest.",
    )
    session_idle_days: int = setting(
        14, parse.number(1, LONGEST_LIFETIME_DAYS), "Days until a session ends whose refresh token is not used."
    )
    session_days: int = setting(
        30, parse.number(1, LONGEST_LIFETIME_DAYS), "Days until a session ends, however much it is used."
    )
    max_sessions: int = setting(
        MAX_SESSIONS, parse.number(1, MAX_SESSIONS), "The most sessions of an account; one more login ends the oldest."
    )
    token_claims: tuple[str, ...] = setting(
        (),
        parse.several(parse.one_of(*TOKEN_CLAIMS)),
        f"Claims of the account in access tokens: {', '.join(TOKEN_CLAIMS)}; none by default.",
    )
    token_algorithm: str = setting(
        SIGNING_ALGORITHMS[0],
        parse.one_of(*SIGNING_ALGORITHMS),
        "The algorithm that signs access tokens: EdDSA, or ES256 or RS256 for gateways that know no EdDSA.",
    )
    keys_rotate_days: int | None = setting(
        None,
        parse.number(0, 3650),
        "Days after which keys are replaced by themselves; 90 by default, 0 for never, as with PostgreSQL and a keys.json.",
    )
    recovery_days: int = setting(
        7,
        parse.number(0, 365),
        "Days for which a verified address that was replaced or removed can recover the account; 0 for none.",
    )
    deletion_days: int = setting(
        7, parse.number(0, 365), "Days after which an account is deleted that its owner has deleted; 0 for at once."
    )
    password_min_length: int = setting(8, parse.number(8, 64), "The minimum length of a new password; 15 is recommended.")

    pwned_passwords: str | None = setting(
        None,
        parse.pwned_passwords,
        "on refuses passwords of known breaches, by Have I Been Pwned, or by the URL of a service with its ranges.",
    )
    password_hash: HashCost = setting(
        COSTS["default"], parse.hash_cost, "default, strong (three passes over 64 MiB), or t=3,m=65536,p=1 and the like."
    )
    firebase_signer_key: str | None = setting(
        None,
        parse.signer_key,
        "The base64_signer_key of the Firebase project that accounts came from, to verify their password hashes.",
        secret=True,
    )

    legacy_directory_url: str | None = setting(
        None,
        parse.url_of("https", "http"),
        "https://… of the system that had the accounts before: asked for passwords of people who are unknown here.",
        secret=True,
    )
    legacy_directory_secret: str | None = setting(
        None, parse.bearer_secret, "The bearer secret that LEGACY_DIRECTORY_URL gets with each question.", secret=True
    )
    legacy_directory_name: str = setting(
        "legacy", parse.words, "The name of that system, the same as the source's name if its accounts are imported too."
    )
    legacy_directory_timeout: int = setting(5, parse.number(1, 30), "Seconds until a question there is abandoned, with 503.")

    limits: Limits = setting(Limits(), _not_a_text, "The rate limits, each a setting of its own.")

    def __post_init__(self) -> None:
        types = type_hints(Settings)
        for item in fields(self):
            value = getattr(self, item.name)
            if type(value) is type(item.default) and value == item.default:  # `True` equals 1, and `6.0` equals 6
                continue
            read = _read_of_type(item.name, types[item.name], item.metadata["read"], value)
            object.__setattr__(self, item.name, read)
        limits = {
            name: _read_of_type(f"limits.{name}", hint, _limit_parser(name), getattr(self.limits, name))
            for name, hint in type_hints(Limits).items()
        }
        object.__setattr__(self, "limits", Limits(**limits))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises `SettingsError` at the first variable that is unknown, unreadable, invalid or set twice."""
        known = {variable.name: variable for variable in _variables()}
        values = {name: _read(variable, known[name].read, text) for name, variable, text in given_texts(environ, known)}
        limits = {known[name].field: value for name, value in values.items() if known[name].is_limit}
        settings = {known[name].field: value for name, value in values.items() if not known[name].is_limit}
        return cls(**settings, limits=Limits(**limits))

    @classmethod
    def read_valid(cls, environ: Mapping[str, str]) -> tuple["Settings", dict[str, str]]:
        """Returns the settings of the valid variables, and why each of the others is invalid, by the name of its field."""
        fields_of = {variable.name: variable.field for variable in _variables()}
        valid, faults = {}, {}
        for name in filter(lambda name: name.startswith(PREFIX), environ):
            setting = name if name in fields_of else name.removesuffix(IN_FILE)
            try:
                cls.from_environment({one: environ[one] for one in (setting, setting + IN_FILE) if one in environ})
            except SettingsError as error:
                faults[fields_of.get(setting, name)] = str(error)
            else:
                valid[name] = environ[name]
        return cls.from_environment(valid), faults

    @property
    def url(self) -> str:
        """The URL that clients use, without a trailing slash and without the prefix."""
        host = "localhost" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104 — compared, not bound  # nosec B104
        return self.public_url or f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def effective_limits(self) -> Limits:
        """The limits that hold: in development only those that were changed."""
        return self.limits.lifted() if self.dev else self.limits

    @property
    def code_cooldown(self) -> float:
        """Seconds between two codes to one address; in development 0, unless the setting was changed."""
        return 0.0 if self.dev and self.otp_cooldown == DEFAULT_COOLDOWN else float(self.otp_cooldown)

    @property
    def code_length(self) -> int:
        """Digits of a one-time code."""
        return self.otp_length or (_DIGITS if self.compatibility is None else _DRF_USER_DIGITS)

    @property
    def access_claims(self) -> tuple[str, ...]:
        """Names of the claims of the account in access tokens."""
        return tuple(dict.fromkeys((*(() if self.compatibility is None else DRF_USER_CLAIMS), *self.token_claims)))

    @property
    def rotates_refresh_tokens(self) -> bool:
        """Returns whether each refresh token is valid once; clients of drf-user keep the one of their login."""
        return self.compatibility is None

    @property
    def accepts_test_domains(self) -> bool:
        return self.test_domains or self.dev

    @property
    def session_lifetime(self) -> SessionLifetime:
        return SessionLifetime(self.session_idle_days * DAY, self.session_days * DAY)

    @property
    def recovery_seconds(self) -> float:
        return self.recovery_days * DAY

    @property
    def deletion_seconds(self) -> float:
        return self.deletion_days * DAY

    @property
    def has_docs(self) -> bool:
        return self.docs if self.docs is not None else not self.url.startswith("https:")

    @property
    def has_access_log(self) -> bool:
        return self.access_log if self.access_log is not None else self.log_format == "json" or self.dev

    @property
    def resolved_database_url(self) -> str:
        """`database_url`, or that of the embedded database in the data directory; it may hold a password."""
        return self.database_url or f"sqlite:///{quote(str(self.data_dir.absolute() / 'vestibule.db'))}"

    @classmethod
    def table(cls) -> list[tuple[str, str, str]]:
        """Variable, default and help text of each setting, in order."""
        return [(item.name, "" if item.default is None else _text(item.default), item.help) for item in _variables()]


class _Variable(NamedTuple):
    """An environment variable, and the field of `Settings` or `Limits` that it sets."""

    name: str
    field: str
    is_limit: bool
    default: Any
    read: Callable[[str], Any]
    help: str


def _variables() -> Iterator[_Variable]:
    for item in fields(Settings):
        if item.name != "limits":
            name, read, text = PREFIX + item.name.upper(), item.metadata["read"], item.metadata["help"]
            yield _Variable(name, item.name, is_limit=False, default=item.default, read=read, help=text)
    for item in fields(Limits):
        name, read, text = f"{PREFIX}LIMIT_{item.name.upper()}", _limit_parser(item.name), item.metadata["help"]
        yield _Variable(name, item.name, is_limit=True, default=item.default, read=read, help=text)


def _limit_parser(name: str) -> Callable[[str], Any]:
    return _count if isinstance(getattr(Limits(), name), int) else parse.rate_limits


_count = parse.number(1, 100_000)


def _read(name: str, read: Callable[[str], Any], value: object) -> Any:
    try:
        return read(_text(value))
    except ValueError as error:
        raise SettingsError(f"{name}: {error}.") from None


def _read_of_type(name: str, hint: Any, read: Callable[[str], Any], value: object) -> Any:
    """Reads a value of a program: a text as one of the environment, and a value of the setting's type by its text."""
    if not isinstance(value, str) and not is_of_type(value, hint):
        raise SettingsError(f"{name}: must be {name_of_type(hint)}, not {type(value).__name__}.")
    return value if value is None or isinstance(value, Limits) else _read(name, read, value)


def _text(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "on" if value else "off"
    if type(value) in {tuple, list}:
        return ", ".join(map(str, cast("Iterable[object]", value)))
    return str(value)
