"""Mails by SMTP (RFC 5321), with TLS (RFC 3207, RFC 8314) if the server offers it."""

import re
import smtplib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ...application.ports import OutgoingMessage, PermanentFailure, TemporaryFailure
from .decoy_timing import DecoyTiming
from .mail import read_sender, write_mail
from .smtp_connections import SmtpConnections
from .smtp_url import SmtpServer
from .templates import Templates

_PERMANENT = 500


class SmtpNotifier:
    """Sends mails through one server, several over the same connection.

    `timeout` is the limit in seconds for each answer of the server; a mail takes at most twice as long in all, apart from the
    DNS look-up. The certificate is verified against the system's authorities, or those in the file `SSL_CERT_FILE`. A permanent
    refusal (5xx to RCPT or DATA) raises `PermanentFailure`, every other failure `TemporaryFailure`.
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
        """Closes an idle connection. The notifier can be used again."""
        self._connections.close()

    def send(self, message: OutgoingMessage) -> None:
        mail = write_mail(message, self._templates, self._sender, self._clock())
        with self._connection() as client, self._timing.measured():
            client.send_message(mail, self._sender.addr_spec, [mail["To"].addresses[0].addr_spec])

    def send_decoy(self, message: OutgoingMessage) -> None:
        """Renders the mail, sends MAIL and RSET, and takes as long as the last delivery."""
        mail = write_mail(message, self._templates, self._sender, self._clock())
        with self._connection() as client, self._timing.imitated():
            mail.as_bytes()
            client.mail(self._sender.addr_spec)
            client.rset()

    @contextmanager
    def _connection(self) -> Iterator[smtplib.SMTP]:
        try:
            with self._connections.connection() as client:
                yield client
        except OSError as error:  # includes the exceptions of smtplib
            raise self._failure(error) from None

    def _failure(self, error: OSError) -> Exception:
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            code, answer = next(iter(error.recipients.values()))
            return self._refusal("the recipient", code, answer, final=True)
        if isinstance(error, smtplib.SMTPDataError):
            return self._refusal("the message", error.smtp_code, error.smtp_error, final=True)
        if isinstance(error, smtplib.SMTPResponseException):
            return self._refusal("the sender or the login", error.smtp_code, error.smtp_error, final=False)
        return TemporaryFailure(f"{self._server}: {type(error).__name__}: {error}")

    def _refusal(self, subject: str, code: int, answer: bytes | str, *, final: bool) -> Exception:
        """Keeps only the codes of the answer (RFC 3463): its text may repeat the address or the message."""
        explanation = answer.decode("ascii", "replace") if isinstance(answer, bytes) else answer
        detail = re.match(r"[245]\.\d{1,3}\.\d{1,3}\b", explanation)
        text = f"{self._server} refuses {subject}: {code}{' ' + detail[0] if detail else ''}"
        return PermanentFailure(text) if final and code >= _PERMANENT else TemporaryFailure(text)
