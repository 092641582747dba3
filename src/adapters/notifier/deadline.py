"""Connections whose every wait ends in time, whatever the other side does."""

import io
import socket
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

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


def reach(host: str, port: int, patience: Patience) -> socket.socket:
    """All addresses of the host in turn, each with its share of the time. Raises `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for to_go, (*_, address) in zip(range(len(found), 0, -1), found, strict=True):
        try:
            return socket.create_connection((str(address[0]), port), patience.left(share=to_go))
        except OSError as error:
            fault = error
    raise fault


class Heard(io.RawIOBase):
    """What comes in through a socket, waited for no longer than is left each time."""

    def __init__(self, sock: socket.socket, left: Callable[[], float]) -> None:
        self._sock = sock
        self._left = left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        self._sock.settimeout(self._left())
        return self._sock.recv_into(buffer)
