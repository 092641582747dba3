"""Connections to one SMTP server; an idle one is kept open for the next mail."""

import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from threading import Lock, Timer
from time import monotonic

from ... import forks
from ..deadline import connect, deadline
from .smtp_url import SmtpServer, Tls

IDLE_SECONDS = 5.0
MAX_MAILS = 50
"""Mails per connection: many servers limit them, and reconnecting spreads the load over the hosts behind one name."""

_OK = 250
_NO_STARTTLS = "it offers no STARTTLS; the URL may name smtps://, or end in ?starttls=off to send mail unencrypted"
_SHORT_TIMEOUT = 0.2
"""The fraction of the timeout for answers that no delivery depends on."""

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_FULL_NAME = re.compile(rf"(?!localhost\.){_LABEL}(?:\.{_LABEL})+")


class Step(StrEnum):
    """The steps of a conversation, in order, as the log names them."""

    CONNECT = "connecting"
    GREETING = "the connection"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    CONTENT = "the content"


_EXPECTED: Mapping[Step, Collection[int]] = {
    Step.GREETING: {220},
    Step.MAIL: {250},
    Step.RCPT: {250, 251, 252},
    Step.DATA: {354},
    Step.CONTENT: {250},
}
"""The answers after which a conversation goes on (RFC 5321, section 4.3.2). A line that was cut off has any digits."""


class SmtpFailure(Exception):
    """A conversation that ended at `step` by `error`, which for an answer is an `smtplib.SMTPResponseException`."""

    def __init__(self, step: Step, error: Exception) -> None:
        super().__init__(step, error)
        self.step = step
        self.error = error


def own_name(connected: socket.socket) -> str:
    """The name of this host if it has a dot, else the address of the connection as a literal (RFC 5321, section 4.1.3).

    Many servers refuse names without a dot. No DNS look-up: with a slow DNS server each may take seconds.
    """
    if _FULL_NAME.fullmatch(name := socket.gethostname()):
        return name
    address = ip_address(connected.getsockname()[0].partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return f"[IPv6:{address}]" if isinstance(address, IPv6Address) and mapped is None else f"[{mapped or address}]"


class SmtpConnection:
    """A connection, with the `step` that its conversation has come to."""

    def __init__(self, server: SmtpServer, context: ssl.SSLContext, timeout: float, helo: str | None) -> None:
        self._server = server
        self._context = context
        self._timeout = timeout
        self._helo = helo
        self._used = 0
        self.step = Step.CONNECT
        self.client = smtplib.SMTP(local_hostname=helo or "localhost")
        self.client._host = server.host  # type: ignore[attr-defined]  # noqa: SLF001 — its certificate is verified by STARTTLS

    def open(self, expires_at: float) -> None:
        """Connects and logs in, unless that is done."""
        if self.client.sock is not None:
            return
        connected = self.client.sock = connect(self._server.host, self._server.port, self._timeout)
        self.client.local_hostname = self._helo or own_name(connected)
        with deadline(connected, expires_at):
            if self._server.tls is Tls.IMPLICIT:
                self.client.sock = self._context.wrap_socket(connected, server_hostname=self._server.host)
            self._open_session()

    def send(self, sender: str, recipient: str, content: bytes) -> None:
        """Sends a mail whose lines end in CR LF. The server has accepted it when this returns."""
        self.begin_mail(sender)
        self._demand(Step.RCPT, lambda: self.client.rcpt(recipient))
        self._demand(Step.DATA, lambda: self.client.docmd("DATA"))
        self._demand(Step.CONTENT, lambda: self._send_content(content))

    def begin_mail(self, sender: str) -> None:
        self._demand(Step.MAIL, lambda: self.client.mail(sender))

    @contextmanager
    def until(self, expires_at: float) -> Iterator[None]:
        """Raises `OSError` within the block for a connection that the server has closed, or at `expires_at`."""
        if self.client.sock is None:
            raise smtplib.SMTPServerDisconnected
        with deadline(self.client.sock, expires_at):
            yield

    def is_reusable(self) -> bool:
        """Sends RSET, since the server may have closed the connection; quits if the connection cannot be used again."""
        self._used += 1
        with suppress(OSError), self.until(monotonic() + _SHORT_TIMEOUT * self._timeout):
            if self._used < MAX_MAILS and self.client.rset()[0] == _OK:
                return True
        self.quit()
        return False

    def quit(self) -> None:
        """Ignores a failure: the server has accepted the mails, and an error would send them again."""
        with suppress(OSError), self.until(monotonic() + _SHORT_TIMEOUT * self._timeout):
            self.client.quit()
        self.client.close()

    def _demand(self, step: Step, command: Callable[[], tuple[int, bytes]]) -> None:
        """Raises `SMTPResponseException` for any other answer than those of `_EXPECTED`."""
        self.step = step
        code, text = command()
        if code not in _EXPECTED[step]:
            raise smtplib.SMTPResponseException(code, text)

    def _send_content(self, content: bytes) -> tuple[int, bytes]:
        end = b".\r\n" if content.endswith(b"\r\n") else b"\r\n.\r\n"
        self.client.send(re.sub(rb"(?m)^\.", b"..", content) + end)
        return self.client.getreply()

    def _open_session(self) -> None:
        self._demand(Step.GREETING, self.client.getreply)
        self.step = Step.EHLO
        self.client.ehlo_or_helo_if_needed()
        if self._needs_starttls():
            self.step = Step.STARTTLS
            if not self.client.has_extn("starttls"):
                raise smtplib.SMTPNotSupportedError(_NO_STARTTLS)
            self.client.starttls(context=self._context)
            self.step = Step.EHLO
            self.client.ehlo_or_helo_if_needed()
        if self._server.user is not None:
            self.step = Step.AUTH
            self.client.login(self._server.user, self._server.password)

    def _needs_starttls(self) -> bool:
        """A password is never sent without TLS: an attacker on the network can hide the server's offer of STARTTLS."""
        if self._server.tls is Tls.AUTO:
            return self.client.has_extn("starttls") or self._server.user is not None
        return self._server.tls is Tls.REQUIRED


class SmtpConnections:
    """A connection serves one thread at a time. One idle connection is kept, for `idle_seconds`.

    `timeout` is the limit in seconds for each answer; connecting and sending one mail take at most twice as long in all. `helo`
    is the name that this host gives in EHLO, `own_name` if None.
    """

    def __init__(
        self, server: SmtpServer, timeout: float, *, helo: str | None = None, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._server = server
        self._timeout = timeout
        self._helo = helo
        self._idle_seconds = idle_seconds
        self._context = ssl.create_default_context()
        self._idle: SmtpConnection | None = None
        self.renew()
        forks.watch(self)

    def renew(self) -> None:
        """Leaves an idle connection to the parent process: closes its file without QUIT."""
        self._lock = Lock()
        self._idle_timer: Timer | None = None
        idle, self._idle = self._idle, None
        if idle is not None:
            idle.client.close()

    @contextmanager
    def connection(self) -> Iterator[SmtpConnection]:
        """Yields one between two mails; the block must leave it so. Any exception closes it. Raises `SmtpFailure`."""
        expires_at = monotonic() + 2 * self._timeout
        connection = self._reused() or SmtpConnection(self._server, self._context, self._timeout, self._helo)
        try:
            connection.open(expires_at)
            with connection.until(expires_at):
                yield connection
        except (
            OSError,
            ValueError,
        ) as error:  # smtplib's are `OSError`; an answer to AUTH that is not in base64 a `ValueError`
            connection.client.close()
            raise SmtpFailure(connection.step, error) from None
        except BaseException:
            connection.client.close()
            raise
        self._keep(connection)

    def close(self) -> None:
        """Quits the idle connection."""
        idle = self._take_idle()
        if idle is not None:
            idle.quit()

    def _reused(self) -> SmtpConnection | None:
        idle = self._take_idle()
        return idle if idle is not None and idle.is_reusable() else None

    def _keep(self, connection: SmtpConnection) -> None:
        with self._lock:
            if self._idle is None:
                self._idle = connection
                self._idle_timer = Timer(self._idle_seconds, self._quit_idle, [connection])
                self._idle_timer.daemon = True
                self._idle_timer.start()
                return
        connection.quit()

    def _take_idle(self) -> SmtpConnection | None:
        with self._lock:
            idle, self._idle = self._idle, None
            if self._idle_timer is not None:
                self._idle_timer.cancel()
            return idle

    def _quit_idle(self, connection: SmtpConnection) -> None:
        with self._lock:
            if self._idle is not connection:
                return  # another thread took it at the last moment
            self._idle = None
        connection.quit()
