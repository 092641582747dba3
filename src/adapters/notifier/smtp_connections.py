"""Connections to one SMTP server; an idle one is kept open for the next mail."""

import functools
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Timer
from time import monotonic

from ..deadline import connect, deadline
from .smtp_url import SmtpServer, Tls

IDLE_SECONDS = 5.0
MAX_MAILS = 50
"""Mails per connection: many servers limit them, and reconnecting spreads the load over the hosts behind one name."""

_READY, _OK = 220, 250
_NO_STARTTLS = "it offers no STARTTLS; the URL may name smtps://, or end in ?starttls=off to send mail unencrypted"
_SHORT_TIMEOUT = 0.2
"""The fraction of the timeout for answers that no delivery depends on."""


@functools.cache
def _own_name() -> str:
    """Cached: with a slow DNS server each look-up may take seconds."""
    return socket.getfqdn()


class _Connection:
    """A connection after the greeting, STARTTLS and the login."""

    def __init__(self, server: SmtpServer, context: ssl.SSLContext, timeout: float, expires_at: float) -> None:
        self._server = server
        self._context = context
        self._used = 0
        self._short_timeout = _SHORT_TIMEOUT * timeout
        self.client = smtplib.SMTP(local_hostname=_own_name())
        self.client._host = server.host  # type: ignore[attr-defined]  # noqa: SLF001 — its certificate is verified by STARTTLS
        connected = self.client.sock = connect(server.host, server.port, timeout)
        try:
            with deadline(connected, expires_at):
                if server.tls is Tls.IMPLICIT:
                    self.client.sock = context.wrap_socket(connected, server_hostname=server.host)
                self._open_session()
        except BaseException:
            self.client.close()
            raise

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
        with suppress(OSError), self.until(monotonic() + self._short_timeout):
            if self._used < MAX_MAILS and self.client.rset()[0] == _OK:
                return True
        self.quit()
        return False

    def quit(self) -> None:
        """Ignores a failure: the server has accepted the mails, and an error would send them again."""
        with suppress(OSError), self.until(monotonic() + self._short_timeout):
            self.client.quit()
        self.client.close()

    def _open_session(self) -> None:
        code, text = self.client.getreply()
        if code != _READY:
            raise smtplib.SMTPConnectError(code, text)
        self.client.ehlo_or_helo_if_needed()
        if self._needs_starttls():
            if not self.client.has_extn("starttls"):
                raise smtplib.SMTPNotSupportedError(_NO_STARTTLS)
            self.client.starttls(context=self._context)
            self.client.ehlo()
        if self._server.user is not None:
            self.client.login(self._server.user, self._server.password)

    def _needs_starttls(self) -> bool:
        """A password is never sent without TLS: an attacker on the network can hide the server's offer of STARTTLS."""
        if self._server.tls is Tls.AUTO:
            return self.client.has_extn("starttls") or self._server.user is not None
        return self._server.tls is Tls.REQUIRED


class SmtpConnections:
    """A connection serves one thread at a time. One idle connection is kept, for `idle_seconds`.

    `timeout` is the limit in seconds for each answer; connecting and sending one mail take at most twice as long in all.
    """

    def __init__(self, server: SmtpServer, timeout: float, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._server = server
        self._timeout = timeout
        self._idle_seconds = idle_seconds
        self._context = ssl.create_default_context()
        self._lock = Lock()
        self._idle: _Connection | None = None
        self._idle_timer: Timer | None = None

    @contextmanager
    def connection(self) -> Iterator[smtplib.SMTP]:
        """Yields a client between two transactions; the block must leave it so. Any exception closes the connection."""
        expires_at = monotonic() + 2 * self._timeout
        connection = self._reused() or _Connection(self._server, self._context, self._timeout, expires_at)
        try:
            with connection.until(expires_at):
                yield connection.client
        except BaseException:
            connection.client.close()
            raise
        self._keep(connection)

    def close(self) -> None:
        """Quits the idle connection."""
        idle = self._take_idle()
        if idle is not None:
            idle.quit()

    def _reused(self) -> _Connection | None:
        idle = self._take_idle()
        return idle if idle is not None and idle.is_reusable() else None

    def _keep(self, connection: _Connection) -> None:
        with self._lock:
            if self._idle is None:
                self._idle = connection
                self._idle_timer = Timer(self._idle_seconds, self._quit_idle, [connection])
                self._idle_timer.daemon = True
                self._idle_timer.start()
                return
        connection.quit()

    def _take_idle(self) -> _Connection | None:
        with self._lock:
            idle, self._idle = self._idle, None
            if self._idle_timer is not None:
                self._idle_timer.cancel()
            return idle

    def _quit_idle(self, connection: _Connection) -> None:
        with self._lock:
            if self._idle is not connection:
                return  # another thread took it at the last moment
            self._idle = None
        connection.quit()
