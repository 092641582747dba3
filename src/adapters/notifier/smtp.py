"""Mails by SMTP (RFC 5321), with TLS (RFC 3207, RFC 8314) if the server offers it."""

import re
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum

from ...application.ports import OutgoingMessage, PermanentFailure, TemporaryFailure
from .decoy_timing import DecoyTiming
from .mail import read_sender, write_mail
from .smtp_connections import SmtpConnection, SmtpConnections, SmtpFailure, Step
from .smtp_url import SmtpServer
from .templates import Templates

_ADVICE = "this is about the service, not the recipient: check VESTIBULE_EMAIL_URL, VESTIBULE_EMAIL_FROM, VESTIBULE_EMAIL_HELO"


class SmtpNotifier:
    """Sends mails through one server, several over the same connection.

    `timeout` is the limit in seconds for each answer of the server; a mail takes at most twice as long in all, apart from the
    DNS look-up. The certificate is verified against the system's authorities, or those in the file `SSL_CERT_FILE`. `helo` is
    the name of this host in EHLO, by default its full name or its address. A failure whose `cause_of` is the message raises
    `PermanentFailure`, any other `TemporaryFailure`.
    """

    def __init__(
        self,
        url: str,
        sender: str,
        templates: Templates,
        timeout: float = 10,
        *,
        helo: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._server = SmtpServer.read(url)
        self._sender = read_sender(sender)
        self._templates = templates
        self._clock = clock
        self._connections = SmtpConnections(self._server, timeout, helo=helo)
        self._timing = DecoyTiming()

    def __repr__(self) -> str:
        return f"SmtpNotifier({self._server!r})"

    def close(self) -> None:
        """Closes an idle connection. The notifier can be used again."""
        self._connections.close()

    def send(self, message: OutgoingMessage) -> None:
        mail = write_mail(message, self._templates, self._sender, self._clock())
        recipient, content = mail["To"].addresses[0].addr_spec, mail.as_bytes()
        with self._connection() as connection, self._timing.measured():
            connection.send(self._sender.addr_spec, recipient, content)

    def send_decoy(self, message: OutgoingMessage) -> None:
        """Renders the mail, sends MAIL and RSET, and takes as long as the last delivery."""
        write_mail(message, self._templates, self._sender, self._clock()).as_bytes()
        with self._connection() as connection, self._timing.imitated():
            connection.begin_mail(self._sender.addr_spec)
            connection.client.rset()

    def probe(self) -> str:
        """Begins a mail and takes it back, so that nothing is sent; returns how the server was reached. Raises as `send`."""
        with self._connection() as connection:
            connection.begin_mail(self._sender.addr_spec)
            connection.client.rset()
            tls = connection.client.sock
            encryption = f"over {tls.version()}" if isinstance(tls, ssl.SSLSocket) else "without TLS"
        login = "" if self._server.user is None else ", after a login"
        return f"{self._server} accepts the sender {encryption}{login}"

    @contextmanager
    def _connection(self) -> Iterator[SmtpConnection]:
        try:
            with self._connections.connection() as connection:
                yield connection
        except SmtpFailure as failure:
            raise self._outcome(failure) from None

    def _outcome(self, failure: SmtpFailure) -> Exception:
        """Keeps only the codes of an answer (RFC 3463): its text may repeat the address or the message."""
        step, error = failure.step, failure.error
        is_refusal = False
        if isinstance(error, smtplib.SMTPResponseException):
            answer = error.smtp_error
            explanation = answer.decode("ascii", "replace") if isinstance(answer, bytes) else answer
            cause = cause_of(step, error.smtp_code, explanation)
            is_refusal = 400 <= error.smtp_code <= 599  # noqa: PLR2004 — negative answers, RFC 5321
            status = re.match(r"[245]\.\d{1,3}\.\d{1,3}\b", explanation, re.ASCII)
            text = f"{self._server} answers {step} with {error.smtp_code}{f' {status[0]}' if status else ''}"
        else:
            cause = Cause.CONFIGURATION if _will_not_pass(error) else Cause.SERVER
            text = f"{self._server} at {step}: {type(error).__name__}: {error}"
        if cause is Cause.MESSAGE:
            return PermanentFailure(text)
        return TemporaryFailure(
            f"{text}; {_ADVICE}" if cause is Cause.CONFIGURATION else text,
            concerns_all=step in _BEFORE_RECIPIENT,
            is_misconfiguration=cause is Cause.CONFIGURATION,
            may_have_arrived=step is Step.CONTENT and not is_refusal,
        )


class Cause(StrEnum):
    """The cause of a failure: the state of the server, which may pass; the service's settings; the message or recipient."""

    SERVER = "server"
    CONFIGURATION = "configuration"
    MESSAGE = "message"


_BEFORE_RECIPIENT = frozenset({Step.CONNECT, Step.GREETING, Step.EHLO, Step.STARTTLS, Step.AUTH, Step.MAIL})
"""The steps at which the server knows no recipient yet. Later ones are no proof of an outage: a stranger chose the address."""

_STATUS = re.compile(r"5\.(\d{1,3})\.(\d{1,3})\b", re.ASCII)
_ABOUT_SERVICE = re.compile(r"relay|authenti|\b(?:ehlo|helo)\b", re.IGNORECASE)
"""In an answer without a status code: Exim refuses clients that have not logged in by `550 relay not permitted`."""

_CAUSES: Mapping[tuple[int, int | None], Cause] = {
    (1, None): Cause.MESSAGE,  # the address
    (1, 7): Cause.CONFIGURATION,  # the sender's address
    (1, 8): Cause.CONFIGURATION,
    (2, None): Cause.CONFIGURATION,  # Microsoft refuses senders by 5.2.252
    (2, 0): Cause.MESSAGE,  # the mailbox
    (2, 1): Cause.MESSAGE,
    (2, 2): Cause.SERVER,  # it is full
    (2, 3): Cause.MESSAGE,
    (2, 4): Cause.MESSAGE,
    (3, None): Cause.SERVER,  # the server's disk is full, or it shuts down
    (3, 4): Cause.MESSAGE,  # the size
    (3, 5): Cause.CONFIGURATION,
    (4, None): Cause.MESSAGE,  # no route to the recipient
    (5, None): Cause.CONFIGURATION,  # the protocol
    (6, None): Cause.MESSAGE,  # the content
    (7, None): Cause.CONFIGURATION,  # policy
    (7, 17): Cause.MESSAGE,  # the address has changed hands
    (7, 18): Cause.MESSAGE,
}
"""The cause by subject and detail of the status `5.subject.detail` (RFC 3463 and IANA's registry)."""

_TAKEN_FOR_SPAM = frozenset({(7, 0), (7, 1)})
"""Before the content they are about the service."""

_MAILBOX_REFUSED = frozenset({550, 551, 553, 556})
_NOT_PERMANENT = 552
"""RFC 5321, section 4.5.3.1.10: the limit of recipients or of storage, which old servers report as permanent."""

_CONTENT_REFUSED = frozenset({*_MAILBOX_REFUSED, 554})


def cause_of(step: Step, code: int, text: str) -> Cause:
    """Judges an answer that is not the expected one, by its enhanced status code (RFC 3463) if it has one.

    Only an answer that clearly is about the recipient or the content is final. An answer in doubt is about the service: one
    more attempt costs little, and a wrong end costs somebody's code.
    """
    if not 500 <= code <= 599:  # noqa: PLR2004 — permanent failures, RFC 5321
        return Cause.SERVER
    if step in _BEFORE_RECIPIENT:
        return Cause.CONFIGURATION
    if status := _STATUS.match(text):
        subject, detail = int(status[1]), int(status[2])
        if (subject, detail) in _TAKEN_FOR_SPAM and step is not Step.RCPT:
            return Cause.MESSAGE
        if cause := _CAUSES.get((subject, detail)) or _CAUSES.get((subject, None)):
            return cause
    if code == _NOT_PERMANENT:
        return Cause.SERVER
    final = _MAILBOX_REFUSED if step is Step.RCPT else _CONTENT_REFUSED
    return Cause.MESSAGE if code in final and not _ABOUT_SERVICE.search(text) else Cause.CONFIGURATION


def _will_not_pass(error: Exception) -> bool:
    """Whether a failure without an answer is one of the settings: TLS, an option that the server lacks, an unknown host."""
    if isinstance(error, ssl.SSLError):
        return not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_NONAME
    return isinstance(error, smtplib.SMTPException) and not isinstance(error, smtplib.SMTPServerDisconnected)
