"""Mails by SMTP (RFC 5321), over TLS (RFC 3207, RFC 8314) wherever the server offers it."""

import contextlib
import functools
import re
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from ...application.ports import DeliveryFailed, Letter, Undeliverable
from .mail import read_sender, recipient, write_mail
from .pace import Pace
from .templates import Templates

_PERMANENT = 500


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


@functools.cache
def _own_name() -> str:
    """Looked up once: where DNS is slow, each look-up may take seconds."""
    return socket.getfqdn()


class SmtpNotifier:
    """Hands mails to a server, a connection each. `timeout` is in seconds, for each answer of the server.

    The server's certificate is verified against the system's authorities, or those in the file that `SSL_CERT_FILE` names.
    What the server refuses for good (5xx to RCPT or DATA) is `Undeliverable`, all else `DeliveryFailed`.
    """

    def __init__(
        self, url: str, sender: str, templates: Templates, timeout: float = 10, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._server = SmtpServer.read(url)
        self._sender = read_sender(sender)
        self._templates = templates
        self._timeout = timeout
        self._clock = clock
        self._context = ssl.create_default_context()
        self._pace = Pace()

    def __repr__(self) -> str:
        return f"SmtpNotifier({self._server!r})"

    def send(self, letter: Letter) -> None:
        message = write_mail(letter, self._templates, self._sender, self._clock())
        with self._conversation() as client, self._pace.measured():
            client.send_message(message, self._sender.addr_spec, [recipient(message)])

    def pretend(self, letter: Letter) -> None:
        """Writes the mail and greets the server, and hands nothing in for as long as it took to hand in the last one."""
        write_mail(letter, self._templates, self._sender, self._clock())
        with self._conversation():
            self._pace.wait()

    @contextlib.contextmanager
    def _conversation(self) -> Iterator[smtplib.SMTP]:
        try:
            with contextlib.closing(self._connect()) as client:
                self._greet(client)
                yield client
                self._part(client)
        except OSError as error:  # smtplib's own errors are of this kind too
            raise self._failure(error) from None

    def _connect(self) -> smtplib.SMTP:
        where = (self._server.host, self._server.port, _own_name())
        if self._server.tls is Tls.IMPLICIT:
            return smtplib.SMTP_SSL(*where, timeout=self._timeout, context=self._context)
        return smtplib.SMTP(*where, timeout=self._timeout)

    def _greet(self, client: smtplib.SMTP) -> None:
        client.ehlo_or_helo_if_needed()
        if self._wants_starttls(client):
            client.starttls(context=self._context)
            client.ehlo()
        if self._server.user is not None:
            client.login(self._server.user, self._server.password)

    def _wants_starttls(self, client: smtplib.SMTP) -> bool:
        """Somebody on the way can hide that STARTTLS is offered; they must not get the password by it."""
        offered = client.has_extn("starttls")
        if self._server.tls is Tls.AUTO:
            return offered or self._server.user is not None
        return self._server.tls is Tls.REQUIRED

    @staticmethod
    def _part(client: smtplib.SMTP) -> None:
        """The server has the message: a farewell that fails must not send it again."""
        with contextlib.suppress(OSError):
            client.quit()

    def _failure(self, error: OSError) -> Exception:
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            code, answer = next(iter(error.recipients.values()))
            return self._refusal("the recipient", code, answer, final=True)
        if isinstance(error, smtplib.SMTPDataError):
            return self._refusal("the message", error.smtp_code, error.smtp_error, final=True)
        if isinstance(error, smtplib.SMTPResponseException):
            return self._refusal("us", error.smtp_code, error.smtp_error, final=False)
        return DeliveryFailed(f"{self._server}: {type(error).__name__}: {error}")

    def _refusal(self, what: str, code: int, answer: bytes | str, *, final: bool) -> Exception:
        """Of the answer only the codes (RFC 3463) are kept: its words may repeat the address or the message."""
        words = answer.decode("ascii", "replace") if isinstance(answer, bytes) else answer
        detail = re.match(r"[245]\.\d{1,3}\.\d{1,3}\b", words)
        text = f"{self._server} refuses {what}: {code}{' ' + detail[0] if detail else ''}"
        return Undeliverable(text) if final and code >= _PERMANENT else DeliveryFailed(text)
