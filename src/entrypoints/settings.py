"""What an operator may change: every setting, its default, and how it is read from the environment."""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from email.utils import parseaddr
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

PREFIX = "VESTIBULE_"
Network = IPv4Network | IPv6Network


class SettingsError(ValueError):
    """A setting is unknown or has a value that cannot be; the text is one line that names it, without its value."""


def setting(default: Any, read: Callable[[str], Any], help: str, *, secret: bool = False) -> Any:  # noqa: A002 — click's word
    """One setting: its default, how its text is read (ValueError says what is wrong), what it does."""
    return field(default=default, repr=not secret, metadata={"read": read, "help": help, "secret": secret})


def flag(text: str) -> bool:
    match text.lower():
        case "on" | "true" | "1" | "yes":
            return True
        case "off" | "false" | "0" | "no":
            return False
        case _:
            raise ValueError("must be on or off")


def number(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return read


def url_of(*schemes: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        scheme, colon, _ = text.partition(":")
        if not colon or scheme not in schemes:
            raise ValueError("must begin with " + " or ".join(f"{scheme}:" for scheme in schemes))
        return text

    return read


def images_place(text: str) -> str:
    if text != "file:" and not text.startswith("s3://"):
        raise ValueError("must be file: or s3://bucket/prefix")
    return text


def any_url(text: str) -> str:
    if ":" not in text:
        raise ValueError("must be a URL")
    return text


def public_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be http:// or https:// and a host, without a query")
    return text.rstrip("/")


def path_prefix(text: str) -> str:
    path = "/" + text.strip("/")
    if any(
        not part.replace("-", "").replace("_", "").isalnum() or not part.isascii()
        for part in path[1:].split("/")
        if path != "/"
    ):
        raise ValueError("must be a path of letters, digits, - and _, such as /api/user")
    return "" if path == "/" else path


def networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


_ORIGIN = re.compile(r"https?://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")
_PORT_OF_ITS_OWN = re.compile(r"http:.*:80|https:.*:443")


def origins(text: str) -> tuple[str, ...]:
    """As browsers write them, for they are compared letter by letter."""
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not all(_ORIGIN.fullmatch(origin) and not _PORT_OF_ITS_OWN.fullmatch(origin) for origin in found):
        raise ValueError("must be origins as browsers send them, such as https://app.example.org, separated by commas")
    return found


def region(text: str) -> str | None:
    if text and not (len(text) == 2 and text.isascii() and text.isalpha()):  # noqa: PLR2004 — ISO 3166-1 alpha-2
        raise ValueError("must be a country of two letters, such as DE")
    return text.upper() or None


def sender(text: str) -> str:
    name, address = parseaddr(text)
    if "@" not in address or any(character in text for character in "\r\n"):
        raise ValueError("must be an address, such as Vestibule <accounts@example.org>")
    return text if name else address


def words(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be printable text")
    return text.strip()


class HashCost(NamedTuple):
    """What a password hash costs: passes, KiB of memory, lanes."""

    time_cost: int
    memory_kib: int
    parallelism: int

    def __str__(self) -> str:
        return f"t={self.time_cost},m={self.memory_kib},p={self.parallelism}"


_COSTS = {"default": HashCost(2, 19 * 1024, 1), "strong": HashCost(3, 64 * 1024, 1)}


def hash_cost(text: str) -> HashCost:
    if text in _COSTS:
        return _COSTS[text]
    found = re.fullmatch(r"t=([0-9]{1,2}),m=([0-9]{1,7}),p=([0-9]{1,2})", text, re.ASCII)
    if found is None:
        raise ValueError("must be default, strong, or passes, KiB and lanes such as t=3,m=65536,p=1")
    return HashCost(*map(int, found.groups()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set. `from_environment` reads `VESTIBULE_<NAME>` and `VESTIBULE_<NAME>_FILE`."""

    host: str = setting("127.0.0.1", words, "The address to listen on.")
    port: int = setting(8000, number(0, 65_535), "The port to listen on.")
    workers: int = setting(1, number(1, 64), "How many server processes.")
    data_dir: Path = setting(Path("data"), Path, "Where database, keys, images and outbox are kept.")
    database_url: str | None = setting(
        None,
        url_of("sqlite", "postgresql", "postgres"),
        "sqlite:///path or postgresql://…; a file in the data directory by default.",
        secret=True,
    )
    email_url: str = setting(
        "outbox:",
        url_of("outbox", "smtp", "smtps"),
        "outbox: (files in the data directory), smtp://… or smtps://…",
        secret=True,
    )
    email_from: str = setting("Vestibule <no-reply@localhost.localdomain>", sender, "The sender of mail.")
    sms_url: str = setting("outbox:", any_url, "outbox: or any Apprise URL.", secret=True)
    images_url: str = setting("file:", images_place, "file: (the data directory) or s3://bucket/prefix.")
    images_redirect: bool = setting(
        False, flag, "on sends who asks for an image on S3 there, by a URL that is signed for minutes."
    )
    redis_url: str | None = setting(
        None,
        url_of("redis", "rediss", "unix"),
        "redis://… or rediss://…: limits per address are then shared by all workers and nodes that name it.",
        secret=True,
    )
    templates_dir: Path | None = setting(None, Path, "A directory whose templates stand in for those of the messages.")
    public_url: str | None = setting(None, public_url, "Where clients reach the service; http://host:port by default.")
    api_prefix: str = setting("", path_prefix, "A path that all endpoints are mounted under, such as /api/user.")
    trusted_proxies: tuple[Network, ...] = setting((), networks, "Networks whose X-Forwarded-For is believed: 10.0.0.0/8, …")
    cors_origins: tuple[str, ...] = setting(
        (), origins, "Origins whose pages may call the service from a browser: https://app.example.org, …"
    )
    rate_limits: bool = setting(True, flag, "off lifts the limits per caller's address, for a load test.")
    docs: bool | None = setting(None, flag, "The OpenAPI page; on by default, unless PUBLIC_URL is https.")
    service_name: str = setting("Vestibule", words, "What messages call the service.")
    default_region: str | None = setting(None, region, "The country of mobiles without +, such as DE.")
    mobile_required: bool = setting(False, flag, "Whether every account needs a mobile.")
    email_validation: bool = setting(False, flag, "Whether an email must be proven within the hour before it is taken.")
    mobile_validation: bool = setting(False, flag, "Whether a mobile must be proven within the hour before it is taken.")
    test_domains: bool = setting(False, flag, "Whether emails at .test, .localhost and the like are taken, for development.")
    otp_length: int = setting(6, number(4, 10), "Digits of a one-time code.")
    otp_cooldown: int = setting(60, number(1, 86_400), "Seconds between two codes to the same address.")
    password_min_length: int = setting(8, number(8, 64), "The fewest characters of a new password; 15 is recommended.")

    password_hash: HashCost = setting(
        _COSTS["default"], hash_cost, "default, strong (three passes over 64 MiB), or t=3,m=65536,p=1 and the like."
    )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises `SettingsError` at the first variable that is unknown, unreadable, or given twice."""
        known = {PREFIX + one.name.upper(): one for one in fields(cls)}
        values: dict[str, Any] = {}
        for variable in sorted(environ):
            if not variable.startswith(PREFIX):
                continue
            name = variable if variable in known else variable.removesuffix("_FILE")
            if name not in known:
                raise SettingsError(f"{variable} is not a setting. `vestibule settings` lists them.")
            if known[name].name in values:
                raise SettingsError(f"{name} and {name}_FILE are both set.")
            text = environ[variable] if name == variable else _content(variable, environ[variable])
            try:
                values[known[name].name] = known[name].metadata["read"](text.strip())
            except ValueError as error:
                raise SettingsError(f"{variable}: {error}.") from None
        return cls(**values)

    @property
    def url(self) -> str:
        """Where clients reach the service, without a trailing slash or the prefix."""
        host = "localhost" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104 — compared, not bound  # nosec B104
        return self.public_url or f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def has_docs(self) -> bool:
        return self.docs if self.docs is not None else not self.url.startswith("https:")

    @property
    def accounts_url(self) -> str:
        """The database's URL, with the password."""
        return self.database_url or f"sqlite:///{quote(str(self.data_dir.absolute() / 'vestibule.db'))}"

    @classmethod
    def table(cls) -> list[tuple[str, str, str]]:
        """Name, default and meaning of each setting, in order."""
        return [
            (PREFIX + one.name.upper(), _shown(one.default), one.metadata["help"])
            for one in fields(cls)
            if one.default is not MISSING
        ]


def _content(variable: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{variable}: the file cannot be read.") from None


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    return "" if default is None or default == () else str(default)
