"""Pictures by Pillow, in child processes of bounded memory and time; how many wait for one is bounded too."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, LifoQueue

from ...application.ports import UnreadableImage
from ...domain.errors import Overloaded, Unavailable
from .process import PICTURE, REFUSAL, Bounds, Died, Process, TookTooLong

_DAMAGED = "The image is damaged, or not what it seems to be."
_SENTENCES = {
    b"kind": "It is no PNG, JPEG, WebP or GIF image, or its beginning is damaged.",
    b"large": "The image has too many pixels: at most 16.8 million are taken, and 8192 a side.",
    b"memory": "The image takes too much memory to read.",
    b"slow": "The image took too long to read.",
}


class PillowImages:
    """Fills the port `Images`. Decodes in `workers` child processes, each started when first needed and kept.

    `memory_bytes` is the address space, `cpu_seconds` and `wall_seconds` the time that one picture may take; at most
    `queue` calls wait for a worker, for `wall_seconds`, and the others get `Overloaded`. `Unavailable` where `executable`
    (a Python of this version) cannot be started. `close` ends the workers; they end with the server, too.
    """

    def __init__(
        self,
        workers: int = 1,
        memory_bytes: int = 512 << 20,
        cpu_seconds: int = 5,
        wall_seconds: float = 10.0,
        queue: int = 8,
        executable: str = sys.executable,
    ) -> None:
        bounds = Bounds(memory_bytes, cpu_seconds, wall_seconds)
        self._wait_seconds = wall_seconds
        self._room = threading.BoundedSemaphore(workers + queue)
        self._processes = [Process(executable, bounds) for _ in range(workers)]
        self._idle = _pile(self._processes)
        self._closed = False

    def normalise(self, data: bytes) -> bytes:
        """As the port has it. Raises `UnreadableImage`, `Overloaded` and `Unavailable`."""
        if not data:
            raise UnreadableImage("The file is empty.")
        with self._a_process() as process:
            kind, body = _ask(process, data)
        if kind == PICTURE:
            return body
        raise UnreadableImage(_SENTENCES.get(body, _DAMAGED))

    def close(self) -> None:
        """Ends the workers, after the pictures under way; from then on `normalise` raises `Unavailable`."""
        if self._closed:
            return
        self._closed = True
        for _ in self._processes:
            self._idle.get().kill()

    @contextmanager
    def _a_process(self) -> Iterator[Process]:
        if self._closed:
            raise Unavailable
        if not self._room.acquire(blocking=False):
            raise Overloaded
        try:
            process = self._next()
            try:
                yield process
            finally:
                self._idle.put(process)
        finally:
            self._room.release()

    def _next(self) -> Process:
        try:
            return self._idle.get(timeout=self._wait_seconds)
        except Empty:
            raise Overloaded from None


def _ask(process: Process, data: bytes) -> tuple[bytes, bytes]:
    try:
        return process.ask(data)
    except TookTooLong:
        return REFUSAL, b"slow"
    except Died:
        return REFUSAL, b"damaged"


def _pile(processes: list[Process]) -> LifoQueue[Process]:
    """The one used last is taken first: the second worker is not started before there is work for two."""
    pile: LifoQueue[Process] = LifoQueue()
    for process in processes:
        pile.put(process)
    return pile
