"""Conversations with one SMTP server, each kept open a while for the mail that comes next."""

import functools
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Timer

from .deadline import Patience
from .smtp_client import Client
from .smtp_url import SmtpServer, Tls

IDLE_SECONDS = 5.0
MOST_MAILS = 50
"""On one connection: many servers count, and the pool behind one name gets its share of the work."""

_OK = 250
_BRIEFLY = 0.1
"""The part of the time-out that is waited where nothing depends on the answer."""


@functools.cache
def _own_name() -> str:
    """Looked up once: where DNS is slow, each look-up may take seconds."""
    return socket.getfqdn()


class _Conversation:
    """A connection on which the server was greeted."""

    def __init__(self, server: SmtpServer, context: ssl.SSLContext, patience: Patience) -> None:
        self._server = server
        self._context = context
        self._used = 0
        implicit = context if server.tls is Tls.IMPLICIT else None
        self.client = Client(server.host, server.port, _own_name(), patience, implicit)
        try:
            self._greet()
        except BaseException:
            self.client.close()
            raise

    def is_good_for_another(self, briefly: Patience) -> bool:
        """Asks the server, which may have hung up meanwhile, or be about to; ends it if it is not."""
        self.client.patience = briefly
        self._used += 1
        with suppress(OSError):
            if self._used < MOST_MAILS and self.client.rset()[0] == _OK:
                return True
        self.end(briefly)
        return False

    def end(self, briefly: Patience) -> None:
        """The server has the mails: a farewell that fails must not send them again."""
        self.client.patience = briefly
        with suppress(OSError):
            self.client.quit()
        self.client.close()

    def _greet(self) -> None:
        self.client.ehlo_or_helo_if_needed()
        if self._wants_starttls():
            self.client.starttls(context=self._context)
            self.client.ehlo()
        if self._server.user is not None:
            self.client.login(self._server.user, self._server.password)

    def _wants_starttls(self) -> bool:
        """Somebody on the way can hide that STARTTLS is offered; they must not get the password by it."""
        offered = self.client.has_extn("starttls")
        if self._server.tls is Tls.AUTO:
            return offered or self._server.user is not None
        return self._server.tls is Tls.REQUIRED


class Conversations:
    """Each is had by one at a time. After that it is kept, for `idle` seconds, for who comes next, if none is kept yet.

    `timeout` is in seconds, for each answer; all of a conversation about one mail takes twice that at most.
    """

    def __init__(self, server: SmtpServer, timeout: float, *, idle: float = IDLE_SECONDS) -> None:
        self._server = server
        self._timeout = timeout
        self._idle = idle
        self._context = ssl.create_default_context()
        self._lock = Lock()
        self._kept: _Conversation | None = None
        self._end: Timer | None = None

    @contextmanager
    def one(self) -> Iterator[smtplib.SMTP]:
        """To be used inside the block, which must not leave anything half said; an exception ends the conversation."""
        patience = Patience(self._timeout)
        conversation = self._take_kept() or _Conversation(self._server, self._context, patience)
        conversation.client.patience = patience
        try:
            yield conversation.client
        except BaseException:
            conversation.client.close()
            raise
        self._keep(conversation)

    def close(self) -> None:
        """Ends the one that is kept."""
        kept = self._let_go()
        if kept is not None:
            kept.end(self._briefly())

    def _take_kept(self) -> _Conversation | None:
        kept = self._let_go()
        return kept if kept is not None and kept.is_good_for_another(self._briefly()) else None

    def _keep(self, conversation: _Conversation) -> None:
        with self._lock:
            if self._kept is None:
                self._kept = conversation
                self._end = Timer(self._idle, self._end_idle, [conversation])
                self._end.daemon = True
                self._end.start()
                return
        conversation.end(self._briefly())

    def _let_go(self) -> _Conversation | None:
        with self._lock:
            kept, self._kept = self._kept, None
            if self._end is not None:
                self._end.cancel()
            return kept

    def _end_idle(self, conversation: _Conversation) -> None:
        with self._lock:
            if self._kept is not conversation:
                return  # somebody took it at the last moment
            self._kept = None
        conversation.end(self._briefly())

    def _briefly(self) -> Patience:
        return Patience(_BRIEFLY * self._timeout)
