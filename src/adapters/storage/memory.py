"""Image storage in memory, lost when the process ends."""

import time
from collections.abc import Iterator

from ...application.ports import Clock, PresignedUrl
from .names import new_name


class MemoryStorage:
    """A `Storage` for tests and trials; thread-safe."""

    def __init__(self, clock: Clock = time.time) -> None:
        self._clock = clock
        self._files: dict[str, tuple[bytes, float]] = {}

    def put(self, data: bytes) -> str:
        name = new_name()
        self._files[name] = data, self._clock()
        return name

    def get(self, name: str) -> bytes | None:
        data, _ = self._files.get(name, (None, None))
        return data

    def delete(self, name: str) -> None:
        self._files.pop(name, None)

    def presigned_url(self, name: str) -> PresignedUrl | None:  # noqa: ARG002 — the port's name
        """Returns None: memory has no URL."""
        return None

    def names(self, *, older_than: float) -> Iterator[str]:
        before = self._clock() - older_than
        return iter([name for name, (_, put_at) in list(self._files.items()) if put_at <= before])
