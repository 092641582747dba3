"""An SMTP client whose every wait ends in time, whatever the server does."""

import io
import smtplib
import socket
import ssl
from typing import Any

from .deadline import Heard, Patience, reach


class Client(smtplib.SMTP):
    """smtplib's own time-out begins anew with each byte and each address; this one's `patience`, which may be replaced, ends.

    With `implicit` the connection is encrypted from its first byte.
    """

    def __init__(self, host: str, port: int, own_name: str, patience: Patience, implicit: ssl.SSLContext | None) -> None:
        self.patience = patience
        self._implicit = implicit
        super().__init__(host, port, own_name)

    def _get_socket(self, host: str, port: int, _: object) -> socket.socket:
        plain = reach(host, port, self.patience)
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
            self.file = io.BufferedReader(Heard(self.sock, self._left))
        return super().getreply()

    def _left(self) -> float:
        return self.patience.left()

    def _wait_no_longer(self) -> None:
        if self.sock is not None:
            self.sock.settimeout(self.patience.left())
