"""Mails by SMTP (RFC 5321), over TLS (RFC 3207, RFC 8314) wherever the server offers it."""

import re
import smtplib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ...application.ports import DeliveryFailed, OutgoingMessage, Undeliverable
from .decoy_timing import DecoyTiming
from .mail import read_sender, recipient, write_mail
from .smtp_connections import SmtpConnections
from .smtp_url import SmtpServer
from .templates import Templates

_PERMANENT = 500


class SmtpNotifier:
    """Hands mails to a server, several in a row over one connection.

    `timeout` is in seconds, for each answer of the server; a mail takes no longer than twice that in all, but for the time to
    look the server's name up. The server's certificate is verified against the system's authorities, or those in the file that
    `SSL_CERT_FILE` names. What the server refuses for good (5xx to RCPT or DATA) is `Undeliverable`, all else `DeliveryFailed`.
    """

    def __init__(
        self, url: str, sender: str, templates: Templates, timeout: float = 10, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._server = SmtpServer.read(url)
        self._sender = read_sender(sender)
        self._templates = templates
        self._clock = clock
        self._connections = SmtpConnections(self._server, timeout)
        self._timing = DecoyTiming()

    def __repr__(self) -> str:
        return f"SmtpNotifier({self._server!r})"

    def close(self) -> None:
        """Says goodbye, if a connection is open. It can be used again."""
        self._connections.close()

    def send(self, letter: OutgoingMessage) -> None:
        message = write_mail(letter, self._templates, self._sender, self._clock())
        with self._conversation() as client, self._timing.measured():
            client.send_message(message, self._sender.addr_spec, [recipient(message)])

    def send_decoy(self, letter: OutgoingMessage) -> None:
        """Writes the mail, names its sender to the server and takes it back, in the time that handing in the last one took."""
        message = write_mail(letter, self._templates, self._sender, self._clock())
        with self._conversation() as client, self._timing.imitated():
            message.as_bytes()
            client.mail(self._sender.addr_spec)
            client.rset()

    @contextmanager
    def _conversation(self) -> Iterator[smtplib.SMTP]:
        try:
            with self._connections.connection() as client:
                yield client
        except OSError as error:  # smtplib's own errors are of this kind too
            raise self._failure(error) from None

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
