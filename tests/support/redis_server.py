"""A real Redis, either a running server or a process of the tests; and a fake server."""

import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import pytest
from redis import Redis, RedisError
from tests.support.server_process import ServerProcess

USUAL_URL = "redis://127.0.0.1:6379/15"
_CLOSE = b"!"


class RedisServer(ServerProcess):
    """`redis-server` without persistence."""

    def __init__(self, directory: Path, *options: str) -> None:
        super().__init__()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._arguments = ("--save", "", "--appendonly", "no", "--dir", directory, *options)

    def command(self) -> Sequence[object]:
        return [binary(), "--port", self.port, "--bind", "127.0.0.1", *self._arguments]


class FakeServer:
    """A server at the address of a Redis that sends `answer` to every connection, or nothing if it is None."""

    def __init__(self, answer: bytes | None = None) -> None:
        self.connections = 0
        self.connected = Event()
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"redis://127.0.0.1:{self._socket.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._thread = Thread(target=self._receive)
        self._thread.start()

    def hang_up(self) -> None:
        for connection in self._open:
            connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with socket.create_connection(self._socket.getsockname()) as last:
            last.sendall(_CLOSE)
            self._thread.join(10)
        for connection in (*self._open, self._socket):
            connection.close()

    def _receive(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            self._open.append(connection)
            if connection.recv(1, socket.MSG_PEEK) == _CLOSE:
                return
            self.connections += 1
            self.connected.set()
            if self._answer is not None:
                connection.sendall(self._answer)


@contextmanager
def any_redis() -> Iterator[str]:
    """Yields the URL of a running Redis: that of `VESTIBULE_TEST_REDIS_URL`, else the usual one, else a process of the tests.

    The Redis may be shared: each test uses keys with a prefix of its own, and deletes them.
    """
    named = os.environ.get("VESTIBULE_TEST_REDIS_URL")
    if named or _is_redis(USUAL_URL):
        yield named or USUAL_URL
        return
    with TemporaryDirectory() as directory, RedisServer(Path(directory)) as server:
        yield server.url


def binary() -> str:
    """Returns the path of `redis-server`. Without it tests are skipped, or fail if `CI` is set."""
    found = shutil.which("redis-server")
    if found is None:
        missing = "no redis-server is installed: the rate limits in Redis are not tested"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def _is_redis(url: str) -> bool:
    with Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2, retry=None) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False
