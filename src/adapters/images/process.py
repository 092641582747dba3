"""The server's side of a worker process: started at its first use, with no trust in its replies."""

import os
import signal
import socket
import struct
import subprocess
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from ...domain.errors import Unavailable
from ..deadline import deadline

IMAGE, REFUSAL = b"+", b"-"
_READY = b"!"
_HEADER = struct.Struct("!cI")  # as in worker.py, which is not imported: the server never loads Pillow
_MAX_REPLY = 8 << 20
_START_SECONDS = 10.0
_WORKER = Path(__file__).with_name("worker.py")
_OPTIONS = ("-I", "-S", "-B", "-c")
_BOOT = 'import runpy, sys; sys.path += sys.argv[1:3]; del sys.argv[1:3]; runpy.run_path(sys.argv.pop(1), run_name="__main__")'


class WorkerProcess:
    """A child process, restarted when it has ended. Not thread-safe."""

    def __init__(self, executable: str, memory_bytes: int, cpu_seconds: float, wall_seconds: float) -> None:
        """Limits the address space of the process, and its processor time and wall time for one image."""
        self._executable = executable
        self._limits = (memory_bytes, cpu_seconds, wall_seconds)
        self._wall_seconds = wall_seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    def request(self, data: bytes) -> tuple[bytes, bytes]:
        """Returns the kind of the reply and its body. Kills a process that takes too long, ends, or sends an invalid reply.

        Raises `Unavailable` if no process can be started.
        """
        channel = self._running()
        try:
            with deadline(channel, time.monotonic() + self._wall_seconds):
                channel.sendall(_HEADER.pack(b"?", len(data)) + data)
                return _receive(channel)
        except TimeoutError:
            self.kill()
            return REFUSAL, b"slow"
        except (OSError, EOFError, ValueError, struct.error):
            self.kill()
            return REFUSAL, b"damaged"

    def kill(self) -> None:
        """Kills the process and its fork, if any; the next request starts another."""
        channel, child = self._channel, self._child
        self._channel = self._child = None
        if channel is not None:
            channel.close()
        if child is not None and child.returncode is None:  # not reaped yet, so the pid cannot have been reused
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()

    def forget(self) -> None:
        """Leaves the process to the parent of this one, which was forked; the next request starts another."""
        channel, child = self._channel, self._child
        self._channel = self._child = None
        if channel is not None:
            channel.close()
        if child is not None:
            child.returncode = 0  # or else `Popen` would wait for a process that is no child of this one

    def _running(self) -> socket.socket:
        """Returns the channel to a running process."""
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
            with deadline(ours, time.monotonic() + _START_SECONDS):
                if _receive(ours)[0] != _READY:
                    raise ValueError
        except (OSError, EOFError, ValueError, struct.error) as error:
            ours.close()
            self.kill()
            raise Unavailable from error
        return ours

    def _spawn(self, channel: socket.socket) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - this interpreter, with fixed arguments
            [self._executable, *_OPTIONS, _BOOT, *_library_directories(), str(_WORKER), *map(str, self._limits)],
            stdin=channel.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            cwd="/",
            start_new_session=True,
        )


def _library_directories() -> list[str]:
    """Returns the directories of Pillow and pillow-heif. The child imports only from them and from the standard library."""
    pillow = _directory("PIL")
    if pillow is None:
        raise OSError("Pillow is not installed")
    return [pillow, _directory("pillow_heif") or pillow]


def _directory(package: str) -> str | None:
    spec = find_spec(package)
    return str(Path(spec.origin).resolve().parent.parent) if spec is not None and spec.origin is not None else None


def _environment() -> dict[str, str]:
    """Returns only the path that an interpreter may need to find its libraries: the server's environment holds secrets.

    One arena of memory is enough: those of the threads of a decoder would be most of the address space that it may use.
    """
    return {"MALLOC_ARENA_MAX": "1"} | {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}


def _receive(channel: socket.socket) -> tuple[bytes, bytes]:
    with channel.makefile("rb") as stream:
        kind, length = _HEADER.unpack(stream.read(_HEADER.size))
        if length > _MAX_REPLY:
            raise ValueError
        body = stream.read(length)
    if len(body) < length:
        raise EOFError
    return kind, body
