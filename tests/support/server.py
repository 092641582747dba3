"""A real server in a process of its own, with simple calls to it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from http.client import HTTPConnection
from pathlib import Path
from secrets import randbelow
from types import TracebackType
from typing import Any, Self

Answer = tuple[int, dict[str, Any]]

WITHOUT_BYTECODE = {"PYTHONDONTWRITEBYTECODE": "1"}
"""For a process whose writes fail: Python would leave truncated bytecode to all that run later (CPython issue 126606)."""

VESTIBULE = os.environ.get("PROGRAM_UNDER_TEST") or str(Path(sys.executable).with_name("vestibule"))
"""The command `vestibule`. `scripts/test` names one with the packages of requirements.lock alone, as users install them."""


class Server(AbstractContextManager["Server"]):
    """`vestibule serve` on a free port; it is killed when the block is left."""

    def __init__(self, data_dir: Path, *options: str, environment: Mapping[str, str] | None = None, **settings: str) -> None:
        """`settings` become `VESTIBULE_` variables; `environment` has all other variables."""
        self.data_dir = data_dir
        self.port = free_port()
        self._options = options
        self._settings = {f"VESTIBULE_{name.upper()}": value for name, value in settings.items()} | dict(environment or {})
        self._log = data_dir.with_suffix(".log")

    def __enter__(self) -> Self:
        self.start()
        self.wait()
        return self

    def command(self) -> list[str]:
        return [VESTIBULE, "serve", "--port", str(self.port), *self._options]

    def start(self) -> None:
        """Starts the process without waiting for it."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("VESTIBULE_", "AWS_"))}
        environment |= {"VESTIBULE_DATA_DIR": str(self.data_dir), **self._settings}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()

    def call(self, method: str, path: str, body: object = None, *, token: str | None = None, timeout: float = 15) -> Answer:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return self.send(method, path, None if body is None else json.dumps(body).encode(), headers, timeout=timeout)

    def send(self, method: str, path: str, body: bytes | None, headers: dict[str, str], *, timeout: float = 15) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        is_json = "json" in (response.headers["Content-Type"] or "")
        return response.status, json.loads(text) if is_json else {"content": text}

    def code(self, destination: str, reference: str, *, within: float = 10) -> str:
        """Returns the code of the message to that destination with that reference, from the outbox directory."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            for file in sorted((self.data_dir / "outbox").glob("[!.]*.*"), reverse=True):
                text = file.read_text()
                if destination in text and reference in text:
                    return str(re.findall(r"(?<![\w.-])\d{5,6}(?![\w.-])", text.partition("\n\n")[2] or text)[0])
            time.sleep(0.02)
        raise TimeoutError(f"no message to {destination}:\n{self.output}")

    @property
    def output(self) -> str:
        """The output of the process."""
        return self._log.read_text()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(15)

    def kill(self) -> None:
        """Sends SIGKILL to the server and all its workers."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(15)

    def wait(self) -> None:
        """Waits until the server is ready."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server stopped:\n{self.output}")
            try:
                if self.call("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                time.sleep(0.02)
        raise TimeoutError(f"the server does not answer:\n{self.output}")


def free_port() -> int:
    """Returns a TCP port that is not in use, and another one each time. Each pytest-xdist process has a range of its own.

    The ranges are below the ports that Linux uses for outgoing connections.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for _ in range(100):
        port = 12_000 + worker % 8 * 2_000 + randbelow(2_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port in _given:  # its server may not listen yet
                continue
            _given.append(port)
            return port
    raise RuntimeError("100 random ports were all in use")


_given = deque[int](maxlen=100)
"""The ports that were returned last."""
