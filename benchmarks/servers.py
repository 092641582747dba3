"""The measured servers: child processes, each on a port of its own and on the servers' cores."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType, TracebackType
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


def vestibule(
    name: str, directory: Path, cores: set[int], environment: Mapping[str, str] = MappingProxyType({}), **settings: str
) -> Server:
    """Vestibule with default settings, but without limits per address, because all load has one address."""
    port = free_port()
    given = {"data_dir": str(directory), "port": str(port), "rate_limits": "off", **settings}
    return Server(
        name=name,
        command=[program("vestibule"), "serve"],
        environment={**environment, **{f"VESTIBULE_{key.upper()}": value for key, value in given.items()}},
        port=port,
        log=directory.with_suffix(".log"),
        cores=cores,
        ready="/healthz",
    )


def bare(directory: Path, cores: set[int]) -> Server:
    """The baseline: a bare handler of the same framework on the same server."""
    port = free_port()
    command: list[str | Path] = [program("python"), "-m", "benchmarks.bare", str(port)]
    return Server("bare", command, {}, port, directory / "bare.log", cores, ready="/static")


@cache
def wheel_of_argon2() -> Mapping[str, str]:
    """The environment in which Python uses the published wheel of Argon2, for all processors; installs that on demand."""
    directory = ROOT / ".build" / f"argon2-wheel-{version('argon2-cffi-bindings')}"
    if not (directory / "_argon2_cffi_bindings").is_dir():
        wheel = f"argon2-cffi-bindings=={version('argon2-cffi-bindings')}"
        options = ("--quiet", "--quiet", "--no-deps", "--only-binary", ":all:", "--target", str(directory))
        subprocess.run([str(program("python")), "-m", "pip", "install", *options, wheel], check=True)
    return {"PYTHONPATH": str(directory)}


@cache
def has_built_argon2() -> bool:
    """Whether the servers' Argon2 is compiled for this processor."""
    code = "from vestibule.adapters.hasher import build_of_argon2; print(build_of_argon2())"
    built = subprocess.run([str(program("python")), "-c", code], check=True, capture_output=True, text=True)
    return built.stdout.startswith("compiled")


def program(name: str) -> Path:
    """A program of the environment that has what users install, and no packages of developers."""
    return ROOT / ".build" / "release" / "bin" / name


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("VESTIBULE_")}
