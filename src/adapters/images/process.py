"""One confined child process, seen from the server: started when it is first needed, and never trusted to answer."""

import os
import signal
import socket
import struct
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ...domain.errors import Unavailable

PICTURE, REFUSAL = b"+", b"-"
_READY = b"!"
_HEADER = struct.Struct("!cI")  # as in worker.py, which is not imported here: Pillow stays out of the server
_MOST_ANSWER = 8 << 20
_START_SECONDS = 10.0
_WORKER = Path(__file__).with_name("worker.py")
_BOOT = "import runpy, sys; sys.path.append(sys.argv.pop(1)); runpy.run_path(sys.argv.pop(1), run_name='__main__')"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one picture may take: bytes of address space, seconds of processor, seconds on the wall."""

    memory_bytes: int
    cpu_seconds: int
    wall_seconds: float


class TookTooLong(Exception):
    """The time on the wall was over; the process is gone."""


class Died(Exception):
    """The process ended, or spoke nonsense, amid a picture; it is gone."""


class Process:
    """A child process or the place for one. One thread at a time."""

    def __init__(self, executable: str, bounds: Bounds) -> None:
        self._executable = executable
        self._bounds = bounds
        self._child: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    def ask(self, data: bytes) -> tuple[bytes, bytes]:
        """Raises `TookTooLong`, `Died`, and `Unavailable` where no process can be started."""
        channel = self._running()
        deadline = time.monotonic() + self._bounds.wall_seconds
        try:
            return _exchange(channel, data, deadline)
        except TimeoutError:
            self.kill()
            raise TookTooLong from None
        except (OSError, EOFError, ValueError, struct.error):
            self.kill()
            raise Died from None

    def kill(self) -> None:
        """Ends the process and its fork, if there are any; the next question starts another."""
        channel, child = self._channel, self._child
        self._channel = self._child = None
        if channel is not None:
            channel.close()
        if child is not None and child.returncode is None:  # not waited for yet, so the number is still its own
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()

    def _running(self) -> socket.socket:
        """The channel to a living process. In a fork of the server `poll` knows of no child, so that it gets its own."""
        if self._child is not None and self._child.poll() is not None:
            self.kill()
        if self._channel is None:
            self._channel = self._start()
        return self._channel

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._child = self._spawn(theirs)
            if _receive(ours, time.monotonic() + _START_SECONDS)[0] != _READY:
                raise ValueError
        except (OSError, EOFError, ValueError) as fault:
            ours.close()
            self.kill()
            raise Unavailable from fault
        return ours

    def _spawn(self, channel: socket.socket) -> subprocess.Popen[bytes]:
        bounds = (self._bounds.memory_bytes, self._bounds.cpu_seconds, self._bounds.wall_seconds)
        return subprocess.Popen(  # noqa: S603 - the program is this interpreter, the arguments are ours
            [self._executable, "-I", "-S", "-B", "-c", _BOOT, _home_of_pillow(), str(_WORKER), *map(str, bounds)],
            stdin=channel.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            cwd="/",
            start_new_session=True,
        )


def _home_of_pillow() -> str:
    """The one directory beside the standard library that the child imports from."""
    spec = find_spec("PIL")
    if spec is None or spec.origin is None:
        raise OSError("Pillow is not installed")
    return str(Path(spec.origin).resolve().parent.parent)


def _environment() -> dict[str, str]:
    """Nothing of the server's, which holds secrets, but for where an interpreter may find its own libraries."""
    return {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}


def _exchange(channel: socket.socket, data: bytes, deadline: float) -> tuple[bytes, bytes]:
    channel.settimeout(_left(deadline))
    channel.sendall(_HEADER.pack(b"?", len(data)) + data)
    return _receive(channel, deadline)


def _receive(channel: socket.socket, deadline: float) -> tuple[bytes, bytes]:
    kind, length = _HEADER.unpack(_read(channel, _HEADER.size, deadline))
    if length > _MOST_ANSWER:
        raise ValueError
    return kind, _read(channel, length, deadline)


def _read(channel: socket.socket, length: int, deadline: float) -> bytes:
    data = bytearray()
    while len(data) < length:
        channel.settimeout(_left(deadline))
        chunk = channel.recv(length - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return bytes(data)


def _left(deadline: float) -> float:
    """Seconds until then. Raises `TimeoutError` when there are none (0 would mean something else to a socket)."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds
