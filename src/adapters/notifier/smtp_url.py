"""Where mail is handed in, as an URL says it."""

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit


class Tls(StrEnum):
    """How a connection comes to be encrypted."""

    IMPLICIT = "implicit"
    REQUIRED = "required"
    AUTO = "auto"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """Where mail is handed in. With `Tls.AUTO` STARTTLS is used where it is offered, and no password is sent without it."""

    host: str
    port: int
    tls: Tls
    user: str | None = None
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def read(cls, url: str) -> "SmtpServer":
        """From `smtp://[user:password@]host[:port][?starttls=auto|required|off]` (port 587) or `smtps://…` (port 465).

        User and password are percent-decoded. Raises `ValueError` in one line that repeats nothing of the URL.
        """
        parts, port = _split(url)
        if parts.path not in {"", "/"} or parts.fragment:
            raise ValueError("an SMTP URL has nothing after the host and port but ?starttls=…; percent-encode the password")
        user, password = (_credential(text) for text in (parts.username, parts.password))
        if (not user) != (not password):
            raise ValueError("an SMTP URL has both a user and a password, or neither")
        secure = parts.scheme == "smtps"
        return cls(
            host=parts.hostname or "",
            port=port or (465 if secure else 587),
            tls=_tls(parts.query, secure),
            user=user or None,
            password=password,
        )


def _split(url: str) -> tuple[SplitResult, int | None]:
    """The standard library's own messages repeat what they could not read, which may be a password."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("an SMTP URL has only visible ASCII characters; percent-encode the others")
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "").encode("idna")
    except ValueError:
        raise ValueError("an SMTP URL has a host and a port number; percent-encode the password") from None
    if parts.scheme not in {"smtp", "smtps"}:
        raise ValueError("an SMTP URL begins with smtp:// or smtps://")
    if not host or port == 0:
        raise ValueError("an SMTP URL names a host, and a port from 1 to 65535 if any")
    return parts, port


def _credential(text: str | None) -> str:
    try:
        decoded = unquote(text or "", errors="strict")
    except UnicodeDecodeError:
        decoded = "\N{REPLACEMENT CHARACTER}"
    if not decoded.isascii() or not decoded.isprintable():
        raise ValueError("the user and password of an SMTP URL are ASCII: servers take no others")
    return decoded


def _tls(query: str, secure: bool) -> Tls:
    try:
        given = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        given = [("", "")]
    if secure and not given:
        return Tls.IMPLICIT
    choices = {"auto": Tls.AUTO, "required": Tls.REQUIRED, "off": Tls.OFF}
    match given:
        case []:
            return Tls.AUTO
        case [("starttls", choice)] if choice in choices and not secure:
            return choices[choice]
    raise ValueError("after the ? of an SMTP URL stands starttls=auto, starttls=required or starttls=off, with smtp:// only")
