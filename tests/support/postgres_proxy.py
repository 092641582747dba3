"""A proxy in front of PostgreSQL that counts what a client sends, by the frontend messages of protocol 3.0."""

import socket
from collections import Counter
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import BinaryIO, Self

from sqlalchemy import make_url


class CountingProxy:
    """Counts round trips (Sync, or a simple Query) and, by their text, the statements that are run."""

    def __init__(self, url: str) -> None:
        there = make_url(url)
        self._there = (there.host or "127.0.0.1", there.port or 5432)
        self._socket = socket.create_server(("127.0.0.1", 0))
        here = there.set(host="127.0.0.1", port=self._socket.getsockname()[1])
        plain = here.update_query_dict({"sslmode": "disable", "gssencmode": "disable"})
        self.url = plain.render_as_string(hide_password=False)
        self.trips = 0
        self.statements: Counter[str] = Counter()

    def __enter__(self) -> Self:
        Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                server = socket.create_connection(self._there)
                Thread(target=self._forward, args=(client, server), daemon=True).start()
                Thread(target=_copy, args=(server, client), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        texts: dict[bytes, str] = {}
        with suppress(OSError), server, client.makefile("rb") as messages:
            server.sendall(_body(messages))  # the start-up message has no type
            while kind := messages.read(1):
                body = _body(messages)
                self._count(kind, body[4:], texts)
                server.sendall(kind + body)

    def _count(self, kind: bytes, content: bytes, texts: dict[bytes, str]) -> None:
        first, second, *_ = [*content.split(b"\0", 2), b"", b""]
        if kind == b"P":  # Parse: a name and a text
            texts[first] = second.decode()
        elif kind == b"B":  # Bind: a portal and the name of a prepared statement
            self.statements[texts[second]] += 1
        elif kind == b"Q":
            self.statements[first.decode()] += 1
        self.trips += kind in {b"S", b"Q"}


def _body(messages: BinaryIO) -> bytes:
    length = messages.read(4)
    return length + messages.read(int.from_bytes(length, "big") - 4)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError), target:
        while some := source.recv(65536):
            target.sendall(some)
