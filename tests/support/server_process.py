"""A server process for tests, which can be started, frozen, killed and restarted."""

import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from tests.support.server import free_port


class ServerProcess(ABC):
    """A server on a free port of this machine; it is killed when the block is left."""

    START_SECONDS = 20

    def __init__(self) -> None:
        self.port = free_port()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()

    @abstractmethod
    def command(self) -> Sequence[object]: ...

    def options(self) -> dict[str, Any]:
        """Returns further arguments for `Popen`."""
        return {}

    def is_ready(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def start(self) -> None:
        """Starts the process and waits until the server is ready."""
        command = [str(word) for word in self.command()]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, **self.options()
        )
        deadline = time.monotonic() + self.START_SECONDS
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{type(self).__name__} does not start")
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def freeze(self) -> None:
        """Suspends the process. The kernel still accepts connections, but the server sends no response."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)
