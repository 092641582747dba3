"""Parsers of the settings' texts. Each raises `ValueError`, whose text describes a valid value."""

import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Collection
from contextlib import suppress
from email.utils import parseaddr
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from ...domain.events import EventType
from ...domain.rate_limits import DAY, HOUR, MINUTE, RateLimit, RateLimits

Network = IPv4Network | IPv6Network
T = TypeVar("T")


def matching(pattern: str, requirement: str) -> Callable[[str], str]:
    expression = re.compile(pattern, re.ASCII)

    def read(text: str) -> str:
        if not expression.fullmatch(text):
            raise ValueError(f"must {requirement}")
        return text

    return read


def several(read: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    """Parses each of the parts between commas."""
    return lambda text: tuple(read(part.strip()) for part in text.split(",") if part.strip())


def flag(text: str) -> bool:
    match text.lower():
        case "on" | "true" | "1" | "yes":
            return True
        case "off" | "false" | "0" | "no":
            return False
        case _:
            raise ValueError("must be on or off")


def one_of(*known: str) -> Callable[[str], str]:
    by_lower = {name.lower(): name for name in known}

    def read(text: str) -> str:
        if text.lower() not in by_lower:
            raise ValueError("must be " + " or ".join(known))
        return by_lower[text.lower()]

    return read


_MAX_DIGITS = 10


def number(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS and low <= int(text) <= high):
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return read


def number_or_off(low: int, high: int) -> Callable[[str], int | None]:
    read_number = number(low, high)

    def read(text: str) -> int | None:
        try:
            return None if text == "off" else read_number(text)
        except ValueError as error:
            raise ValueError(f"{error}, or off") from None

    return read


def rate(text: str) -> float:
    """Parses a rate of at least 0.2 a second: a stopping process waits for the next delivery."""
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", text, re.ASCII) or not 0.2 <= float(text) <= 1000:  # noqa: PLR2004
        raise ValueError("must be a number from 0.2 to 1000")
    return float(text)


_LIMIT = re.compile(
    r"([0-9]{1,6}) ?/ ?([0-9]{0,7}) ?(?:(s(?:ec(?:onds?)?)?)|(min(?:utes?)?)|(h(?:ours?)?)|(d(?:ays?)?))", re.ASCII
)
_LIMIT_UNITS = (1.0, MINUTE, HOUR, DAY)
_MAX_COUNT = 100_000
_MAX_PERIOD = 30 * DAY


def rate_limits(text: str) -> RateLimits:
    """Parses `3/hour, 5/day` or `30/5min`; returns the shortest period first."""
    parsed = sorted(map(_rate_limit, text.split(",")), key=lambda limit: limit.seconds)
    if any(first.seconds == second.seconds for first, second in pairwise(parsed)):
        raise ValueError("must name each period once")
    return tuple(parsed)


def _rate_limit(text: str) -> RateLimit:
    if not (parts := _LIMIT.fullmatch(text.strip().lower())):
        raise ValueError("must be counts per period such as 3/hour, 5/day or 30/5min")
    count, number, *units = parts.groups()
    seconds = int(number or 1) * next(unit for unit, given in zip(_LIMIT_UNITS, units, strict=True) if given)
    if not (1 <= int(count) <= _MAX_COUNT and 1 <= seconds <= _MAX_PERIOD):
        raise ValueError("must have counts from 1 to 100000 and periods from 1s to 30d")
    return RateLimit(int(count), seconds)


def url_of(*schemes: str) -> Callable[[str], str]:
    return matching(rf"(?:{'|'.join(schemes)}):(?s:.*)", "begin with " + " or ".join(f"{scheme}:" for scheme in schemes))


_MIN_SECRET_BYTES = 32
_MIN_DISTINCT = 16
_BASE64 = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-f]{2})+|(?:[0-9A-F]{2})+", re.ASCII)
_URL_SAFE = str.maketrans("+/", "-_")
_PUBLISHED = {
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",  # FastAPI's tutorial
    "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4",  # the specification of Fernet
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",  # RFC 7515, appendix A.1
    "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",  # RFC 8037, appendix A.1
}


def secrets(text: str) -> tuple[str, ...]:
    return tuple(_secret(part.strip()) for part in text.split(","))


def secret_bytes(text: str) -> bytes:
    """Decodes hex, or base64 of either alphabet with or without padding. Returns no bytes for any other text."""
    plain = _plain(text)
    if _HEX.fullmatch(plain):
        return bytes.fromhex(plain)
    if _BASE64.fullmatch(plain) and len(plain) % 4 != 1:
        return urlsafe_b64decode(plain + "=" * (-len(plain) % 4))
    return b""


def signer_key(text: str) -> str:
    if len(secret_bytes(text)) < _MIN_SECRET_BYTES:
        raise ValueError("must be the base64_signer_key of the Firebase project, as its console shows it")
    return text


def _secret(text: str) -> str:
    key = secret_bytes(text)
    if len(key) < _MIN_SECRET_BYTES:
        raise ValueError("must be 32 random bytes or more, in base64 or hex, such as `openssl rand -base64 32` prints")
    if _plain(text) in _PUBLISHED or not _may_be_random(_plain(text), key):
        raise ValueError("must be random and unpublished: `openssl rand -base64 32` prints such a secret")
    return text


def _plain(text: str) -> str:
    return text.rstrip("=").translate(_URL_SAFE)


def _may_be_random(plain: str, key: bytes) -> bool:
    """Words have letters of one case only. Constants, sequences and repetitions have few different steps between bytes."""
    steps = {(after - before) % 256 for before, after in pairwise(key)}
    is_word = not _HEX.fullmatch(plain) and (plain.islower() or plain.isupper())
    return not is_word and len(steps) >= _MIN_DISTINCT and len(set(key)) >= _MIN_DISTINCT


images_url = matching(r"file:|s3://(?s:.*)", "be file: or s3://bucket/prefix")
outbox_or_any_url = matching(r"outbox:|(?!outbox:)(?s:.*):(?s:.*)", "be outbox: or a URL")


def outbox_or_url_of(*schemes: str) -> Callable[[str], str]:
    return matching(
        rf"outbox:|(?:{'|'.join(schemes)}):(?s:.*)",
        "be outbox: or begin with " + " or ".join(f"{scheme}:" for scheme in schemes),
    )


_WEB = frozenset({"http", "https"})


def public_url(text: str) -> str:
    """Lowers the case of the scheme, on which defaults of other settings depend."""
    with suppress(ValueError):
        parts = urlsplit(text)
        is_bare = parts.username is None and not parts.query and not parts.fragment
        if parts.scheme in _WEB and parts.hostname and parts.port != 0 and is_bare and not re.search(r"\s", text):
            return parts.scheme + text[len(parts.scheme) :].rstrip("/")
    raise ValueError("must be http:// or https:// and a host, without a user, blanks or a query")


invitation_url = matching(
    r"https?://[A-Za-z0-9.:\[\]-]+[/?#][!-z|~]*\{token\}[!-z|~]*",
    "be a URL such as https://app.example.org/join?invitation={token}, with {token} once after the host",
)


def pwned_passwords(text: str) -> str | None:
    if text.lower() in {"on", "off"}:
        return "https://api.pwnedpasswords.com/range" if text.lower() == "on" else None
    if not re.fullmatch(
        r"(?:https://[A-Za-z0-9.-]+|http://(?:localhost|127\.0\.0\.1))(?::[0-9]{1,5})?(?:/[!-~]*)?", text, re.ASCII
    ):
        raise ValueError("must be on, off or a URL of https")
    return text


def path_prefix(text: str) -> str:
    path = "/" + text.strip("/")
    if not re.fullmatch(r"/|(?:/[_-]*[A-Za-z0-9][A-Za-z0-9_-]*)+", path, re.ASCII):
        raise ValueError("must be a path of letters, digits, - and _, such as /api/user")
    return "" if path == "/" else path


def signing_secrets(text: str) -> tuple[str, ...]:
    parsed = tuple(re.split(r"[\s,]+", text.strip()))
    if not all(secret.startswith("whsec_") for secret in parsed):
        raise ValueError("must be whsec_ and 24 to 64 random bytes in base64; several are separated by spaces")
    return parsed


def events(known: Collection[EventType]) -> Callable[[str], tuple[EventType, ...]]:
    def read(text: str) -> EventType:
        if text.lower() not in known:
            raise ValueError(f"must be names of events, separated by commas: {', '.join(sorted(known))}")
        return EventType(text.lower())

    return several(read)


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError("must be networks such as 10.0.0.0/8, without host bits, separated by commas") from None


networks = several(_network)
_HOST = r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])"
_host = matching(_HOST, "be names without a port, such as accounts.example.org, separated by commas")
hosts = several(lambda name: _host(name.lower()))
origins = several(
    matching(
        rf"(?!http:.*:80\Z|https:.*:443\Z)https?://{_HOST}(?::[0-9]{{1,5}})?",
        "be origins as browsers send them, such as https://app.example.org, separated by commas",
    )
)
"""Origins in the spelling of browsers, which omit a default port, because they are compared literally."""


_EMAIL_DOMAIN = re.compile(r"!?(?:\*\.)?(?=.{1,253}\Z)(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_][\w-]*[^\W_]")


def _email_domain(text: str) -> str:
    if not _EMAIL_DOMAIN.fullmatch(text):
        raise ValueError("must be domains such as example.com, *.example.org or !spam.example, separated by commas")
    return text.lower()


email_domains = several(_email_domain)


header_name = matching(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", "be the name of a header, such as X-Forwarded-For")
header_names = several(matching(r"[A-Za-z0-9!#$%&'+.^_`|~-]+", "be names of headers, separated by commas"))
"""Without `*`, which CORS would take for every header."""

_MIN_LENGTH = 32
_MIN_CHARACTERS = 10


def bearer_secret(text: str) -> str:
    """A bearer token of RFC 6750, long and varied enough to be random."""
    if not re.fullmatch(rf"[A-Za-z0-9._~+/-]{{{_MIN_LENGTH},}}=*", text, re.ASCII) or len(set(text)) < _MIN_CHARACTERS:
        raise ValueError("must be 32 or more random letters and digits, such as `openssl rand -hex 32` prints")
    return text


_country = matching("(?:[A-Za-z]{2})?", "be a country of two letters, such as DE")


def region(text: str) -> str | None:
    return _country(text).upper() or None


regions = several(region)


def sender(text: str) -> str:
    name, address = parseaddr(text)
    if "@" not in address or any(character in text for character in "\r\n"):
        raise ValueError("must be an address, such as Vestibule <accounts@example.org>")
    return text if name else address


_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HELO = re.compile(rf"(?=.{{1,255}}\Z){_LABEL}(?:\.{_LABEL})*")


def helo(text: str) -> str:
    """Parses a host name or an address literal (RFC 5321, section 4.1.3)."""
    literal = re.fullmatch(r"\[(?:IPv6:([0-9a-f:.]+)|([0-9.]+))\]", text, re.ASCII | re.IGNORECASE)
    try:
        is_valid = (IPv6Address(literal[1]) if literal[1] else IPv4Address(literal[2])) if literal else _HELO.fullmatch(text)
    except ValueError:
        is_valid = None
    if not is_valid:
        raise ValueError("must be a host name such as accounts.example.org, or an address such as [192.0.2.1]")
    return text


def words(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be printable text")
    return text.strip()


def host(text: str) -> str:
    """Parses a name or an address to listen on. Square brackets around an IPv6 address are left out."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    with suppress(ValueError):
        return str(ip_address(bare))
    if (
        not re.fullmatch(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?", bare, re.ASCII)
        or bare.rpartition(".")[2].isdigit()
    ):
        raise ValueError("must be an address or a host name, such as 0.0.0.0")
    return bare


def path(text: str) -> Path:
    if not text.isprintable():
        raise ValueError("must be a path of printable characters")
    return Path(text)


class HashCost(NamedTuple):
    """The cost of a password hash: passes, KiB of memory, lanes."""

    time_cost: int
    memory_kib: int
    parallelism: int

    def __str__(self) -> str:
        return f"t={self.time_cost},m={self.memory_kib},p={self.parallelism}"


COSTS = {"default": HashCost(2, 19 * 1024, 1), "strong": HashCost(3, 64 * 1024, 1)}


def hash_cost(text: str) -> HashCost:
    if text in COSTS:
        return COSTS[text]
    parsed = re.fullmatch(r"t=([0-9]{1,2}),m=([0-9]{1,7}),p=([0-9]{1,2})", text, re.ASCII)
    if parsed is None:
        raise ValueError("must be default, strong, or passes, KiB and lanes such as t=3,m=65536,p=1")
    return HashCost(*map(int, parsed.groups()))
