"""Parsing of SMTP URLs: host, port, TLS and credentials."""

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from ..http_client import is_loopback


class Tls(StrEnum):
    """The encryption of a connection: from its first byte, by STARTTLS always, by STARTTLS if offered, or none."""

    IMPLICIT = "implicit"
    REQUIRED = "required"
    AUTO = "auto"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """An SMTP server. `Tls.AUTO` uses STARTTLS if the server offers it, and sends no password without it.

    An attacker on the network can hide that offer, and then reads the codes. So it is the default on this machine alone.
    """

    host: str
    port: int
    tls: Tls
    user: str | None = None
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def read(cls, url: str) -> "SmtpServer":
        """Parses `smtp://[user:password@]host[:port][?starttls=auto|required|off]` (port 587) or `smtps://…` (port 465).

        Without `starttls` a server on another machine is `Tls.REQUIRED`, one on this machine `Tls.AUTO`. User and password are
        percent-decoded. Raises `ValueError` with one line that repeats nothing of the URL.
        """
        parts, port = _split(url)
        if parts.path not in {"", "/"} or parts.fragment:
            raise ValueError("an SMTP URL has only ?starttls=… after the host and port; percent-encode the password")
        user, password = (_credential(text) for text in (parts.username, parts.password))
        if (not user) != (not password):
            raise ValueError("an SMTP URL has both a user and a password, or neither")
        secure = parts.scheme == "smtps"
        return cls(
            host=parts.hostname or "",
            port=port or (465 if secure else 587),
            tls=_tls(parts.query, secure, parts.hostname or ""),
            user=user or None,
            password=password,
        )


def _split(url: str) -> tuple[SplitResult, int | None]:
    """Replaces the standard library's error messages: they repeat the invalid part, which may be a password."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("an SMTP URL must consist of visible ASCII characters; percent-encode the others")
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "").encode("idna")
    except ValueError:
        raise ValueError("an SMTP URL needs a valid host and port number; percent-encode the password") from None
    if parts.scheme not in {"smtp", "smtps"}:
        raise ValueError("an SMTP URL begins with smtp:// or smtps://")
    if not host or port == 0:
        raise ValueError("an SMTP URL needs a host, and the port must be from 1 to 65535")
    return parts, port


def _credential(text: str | None) -> str:
    try:
        decoded = unquote(text or "", errors="strict")
    except UnicodeDecodeError:
        decoded = "\N{REPLACEMENT CHARACTER}"
    if not decoded.isascii() or not decoded.isprintable():
        raise ValueError("the user and password of an SMTP URL must be ASCII: servers accept no others")
    return decoded


def _tls(query: str, secure: bool, host: str) -> Tls:
    try:
        options = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        options = [("", "")]
    if secure and not options:
        return Tls.IMPLICIT
    match options:
        case []:
            return Tls.AUTO if is_loopback(host) else Tls.REQUIRED
        case [("starttls", "auto" | "required" | "off" as choice)] if not secure:
            return Tls(choice)
    raise ValueError("the query of an SMTP URL is starttls=auto, starttls=required or starttls=off, with smtp:// only")
