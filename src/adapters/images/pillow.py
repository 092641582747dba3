"""Image processing by Pillow in worker processes, with limits for memory, time and the number of waiting calls."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, LifoQueue

from ... import forks
from ...application.ports import UnreadableImage
from ...domain.errors import Overloaded, Unavailable
from .process import IMAGE, WorkerProcess

_DAMAGED = "The image is damaged, or its format is not as declared."
_MESSAGES = {
    b"kind": "The file is not a PNG, JPEG, WebP, GIF, HEIC or AVIF image, or its beginning is damaged.",
    b"large": "The image has too many pixels: the limit is 50 million.",
    b"memory": "The image needs too much memory to decode.",
    b"slow": "The image takes too long to decode.",
}


class PillowImages:
    """An `Images` that decodes in `workers` child processes, each started at its first use and then kept.

    `memory_bytes` limits the address space, `cpu_seconds` and `wall_seconds` the time for one image: the processor time of a
    small one, and five times as much for one of 50 megapixels. At most `queue` calls wait for a worker, for at most
    `wall_seconds`; the others raise `Overloaded`. Raises `Unavailable` if `executable` (a
    Python of this version) cannot be started. The workers end with `close`, or with the server.
    """

    def __init__(
        self,
        workers: int = 1,
        memory_bytes: int = 1 << 30,
        cpu_seconds: float = 1.0,
        wall_seconds: float = 30.0,
        queue: int = 24,
        executable: str = sys.executable,
    ) -> None:
        self._wait_seconds = wall_seconds
        self._places = workers + queue
        self._processes = [WorkerProcess(executable, memory_bytes, cpu_seconds, wall_seconds) for _ in range(workers)]
        self._closed = False
        self._start()
        forks.watch(self)

    def _start(self) -> None:
        self._capacity = threading.BoundedSemaphore(self._places)
        # Last in, first out: a second worker starts only when two images are decoded at once.
        self._idle: LifoQueue[WorkerProcess] = LifoQueue()
        for process in self._processes:
            self._idle.put(process)

    def renew(self) -> None:
        for process in self._processes:
            process.forget()
        self._start()

    def normalise(self, data: bytes) -> bytes:
        """Raises `UnreadableImage`, `Overloaded` and `Unavailable`."""
        if not data:
            raise UnreadableImage("The file is empty.")
        with self._idle_process() as process:
            kind, body = process.request(data)
        if kind == IMAGE:
            return body
        raise UnreadableImage(_MESSAGES.get(body, _DAMAGED))

    def close(self) -> None:
        """Ends the workers after their current images; `normalise` raises `Unavailable` from then on."""
        if self._closed:
            return
        self._closed = True
        for _ in self._processes:
            self._idle.get().kill()

    @contextmanager
    def _idle_process(self) -> Iterator[WorkerProcess]:
        if self._closed:
            raise Unavailable
        if not self._capacity.acquire(blocking=False):
            raise Overloaded
        try:
            process = self._idle.get(timeout=self._wait_seconds)
            try:
                yield process
            finally:
                self._idle.put(process)
        except Empty:
            raise Overloaded from None
        finally:
            self._capacity.release()
