"""An SMTP client whose every wait ends in time, whatever the server does."""

import io
import smtplib
import socket
import ssl
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Patience:
    """So many seconds for each answer, and twice that from now on for all of them."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends = monotonic() + 2 * seconds

    def left(self, *, share: int = 1) -> float:
        """For the next wait, or one of so many. Raises `TimeoutError` when nothing is left."""
        seconds = self._ends - monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        return min(self._seconds, seconds / share)


class Client(smtplib.SMTP):
    """smtplib's own time-out begins anew with each byte and each address; this one's `patience`, which may be replaced, ends.

    With `implicit` the connection is encrypted from its first byte.
    """

    def __init__(self, host: str, port: int, own_name: str, patience: Patience, implicit: ssl.SSLContext | None) -> None:
        self.patience = patience
        self._implicit = implicit
        super().__init__(host, port, own_name)

    def _get_socket(self, host: str, port: int, _: object) -> socket.socket:
        """All addresses of the host in turn, each with its share of the time."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for to_go, (*_, address) in zip(range(len(found), 0, -1), found, strict=True):
            try:
                plain = socket.create_connection((str(address[0]), port), self.patience.left(share=to_go))
            except OSError as error:
                fault = error
            else:
                return self._encrypted(plain, host)
        raise fault

    def _encrypted(self, plain: socket.socket, host: str) -> socket.socket:
        if self._implicit is None:
            return plain
        plain.settimeout(self.patience.left())
        return self._implicit.wrap_socket(plain, server_hostname=host)

    def send(self, data: Any) -> None:
        self._wait_no_longer()
        super().send(data)

    def docmd(self, cmd: str, args: str = "") -> tuple[int, bytes]:
        answer = super().docmd(cmd, args)
        self._wait_no_longer()  # what follows STARTTLS is no command
        return answer

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = io.BufferedReader(_Heard(self.sock, self._left))
        return super().getreply()

    def _left(self) -> float:
        return self.patience.left()

    def _wait_no_longer(self) -> None:
        if self.sock is not None:
            self.sock.settimeout(self.patience.left())


class _Heard(io.RawIOBase):
    """What comes in through a socket, waited for no longer than is left each time."""

    def __init__(self, sock: socket.socket, left: Callable[[], float]) -> None:
        self._sock = sock
        self._left = left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        self._sock.settimeout(self._left())
        return self._sock.recv_into(buffer)
