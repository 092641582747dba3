"""The measured servers: child processes, each on a port of its own and on the servers' cores."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from types import TracebackType
from typing import Self

from .load import call_once, get
from .machine import cpu_seconds, memory_mib, pin

ROOT = Path(__file__).parents[1]
PASSWORD = "nine quiet orange boats"
COST = (2, 19_456, 1)
"""Passes, KiB and lanes of Argon2id, for every server."""

_START_TIMEOUT = 30.0


@dataclass
class Server(AbstractContextManager["Server"]):
    """A program that serves on `port`, and ends with the block, children included. `ready` is a path with status 200."""

    name: str
    command: Sequence[str | Path]
    environment: Mapping[str, str]
    port: int
    log: Path
    cores: set[int]
    ready: str = "/"
    directory: Path = ROOT
    start_seconds: float = 0.0
    memory_at_rest: float = 0.0
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def __enter__(self) -> Self:
        begun = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in self.command],
                env={**_plain_environment(), **self.environment},
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: pin(self.cores),  # noqa: PLW1509 — there are no threads here, and it only sets the cores
            )
        try:
            self._wait(begun)
        except BaseException:
            self.stop()
            raise
        self.start_seconds = time.monotonic() - begun
        self.memory_at_rest = self.memory()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(15)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @property
    def number(self) -> int:
        assert self.process is not None
        return self.process.pid

    def cpu(self) -> float:
        """Seconds of processor used so far."""
        return cpu_seconds(self.number)

    def memory(self) -> float:
        """MiB of the largest process."""
        return memory_mib(self.number)

    def _wait(self, begun: float) -> None:
        """Waits for the first response."""
        assert self.process is not None
        while True:
            with suppress(OSError):
                if call_once(self.port, get(self.ready))[0] == 200:
                    return
            if self.process.poll() is not None or time.monotonic() - begun > _START_TIMEOUT:
                raise RuntimeError(f"{self.name} does not start:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.002)


def vestibule(name: str, directory: Path, cores: set[int], **settings: str) -> Server:
    """Vestibule with default settings, but without limits per address, because all load has one address."""
    port = free_port()
    given = {"data_dir": str(directory), "port": str(port), "rate_limits": "off", **settings}
    return Server(
        name=name,
        command=[program("vestibule"), "serve"],
        environment=_as_installed() | {f"VESTIBULE_{key.upper()}": value for key, value in given.items()},
        port=port,
        log=directory.with_suffix(".log"),
        cores=cores,
        ready="/healthz",
    )


def bare(directory: Path, cores: set[int]) -> Server:
    """The baseline: a bare handler of the same framework on the same server."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.bare", str(port)]
    return Server("bare", command, _as_installed(), port, directory / "bare.log", cores, ready="/static")


@cache
def _as_installed() -> dict[str, str]:
    """The environment that hides development packages: those in `requirements-dev.lock` alone."""
    served, developed = (_locked(ROOT / name) for name in ("requirements.lock", "requirements-dev.lock"))
    modules = packages_distributions()
    hidden = {module for module, names in modules.items() if {_plain(name) for name in names} <= developed - served}
    return {"PYTHONPATH": str(Path(__file__).parent / "installed"), "HIDDEN": ",".join(sorted(hidden))}


def _locked(file: Path) -> set[str]:
    return {_plain(line.partition("==")[0]) for line in file.read_text().splitlines() if "==" in line and line[0].isalnum()}


def _plain(name: str) -> str:
    return name.partition("[")[0].lower().replace("_", "-").replace(".", "-")


def program(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("VESTIBULE_")}
