"""Pictures in memory: gone with the process."""

from ...application.ports import Link
from .names import new_name


class MemoryStorage:
    """Fills the port `Storage` for tests and trials; safe to share between threads."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        name = new_name()
        self._files[name] = data
        return name

    def get(self, name: str) -> bytes | None:
        return self._files.get(name)

    def delete(self, name: str) -> None:
        self._files.pop(name, None)

    def link(self, name: str) -> Link | None:  # noqa: ARG002 — the port's name
        """There is no other way to what is in memory."""
        return None
