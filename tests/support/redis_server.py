"""A real Redis: one that runs, or a process of ours that can be killed and started again; and what may stand in its place."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from types import TracebackType
from typing import Self

import pytest
from redis import Redis, RedisError
from tests.support.server import free_port

USUAL_URL = "redis://127.0.0.1:6379/15"
_BYE = b"!"


class RedisServer(AbstractContextManager["RedisServer"]):
    """`redis-server` on a free port, which keeps nothing; killed when the block is left."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._directory = directory
        self._options = options

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()

    def start(self) -> None:
        command = [binary(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(
            [*command, "--dir", str(self._directory), *self._options], stdout=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + 10
        while not self._listens():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("redis-server does not start")
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Stranger:
    """Listens where Redis should be. Says the same to whatever it hears, or with None nothing at all."""

    def __init__(self, answer: bytes | None = None) -> None:
        self.visits = 0
        self.came = Event()
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"redis://127.0.0.1:{self._socket.getsockname()[1]}"
        self._visitors: list[socket.socket] = []
        self._thread = Thread(target=self._receive)
        self._thread.start()

    def hang_up(self) -> None:
        for each in self._visitors:
            each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with socket.create_connection(self._socket.getsockname()) as last:
            last.sendall(_BYE)
            self._thread.join(10)
        for each in (*self._visitors, self._socket):
            each.close()

    def _receive(self) -> None:
        while True:
            visitor, _ = self._socket.accept()
            self._visitors.append(visitor)
            if visitor.recv(1, socket.MSG_PEEK) == _BYE:
                return
            self.visits += 1
            self.came.set()
            if self._answer is not None:
                visitor.sendall(self._answer)


@contextmanager
def any_redis() -> Iterator[str]:
    """The URL of a Redis that answers: of `VESTIBULE_TEST_REDIS_URL`, else of the usual one, else of one of our own.

    Others may use it: whoever writes there does so under names of their own, and clears them away.
    """
    named = os.environ.get("VESTIBULE_TEST_REDIS_URL")
    if named or _answers(USUAL_URL):
        yield named or USUAL_URL
        return
    with TemporaryDirectory() as directory, RedisServer(Path(directory)) as server:
        yield server.url


def binary() -> str:
    """Where `redis-server` is. A machine without it shows a skip; one that builds (CI) must have it."""
    found = shutil.which("redis-server")
    if found is None:
        missing = "no redis-server is installed, so nothing is shown about limits in Redis"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def _answers(url: str) -> bool:
    with Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2, retry=None) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False
