"""Pictures as files of one directory, each written whole or not at all."""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...application.ports import PresignedUrl
from ...domain.errors import Unavailable
from ..files import UNFINISHED, sync_directory, write_atomically
from .names import is_name, new_name

_STALE_SECONDS = 3600.0
"""Longer than any put takes: what is older and unfinished belongs to a process that died."""


class FileStorage:
    """Fills the port `Storage`; several processes may share the directory. `Unavailable` for a disk that is full, read-only
    or gone.

    Makes the directory if it is not there (mode 0700; its files have 0600), and clears away what a crash left half-written.
    Raises `OSError` where the directory cannot be had.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_stale(directory.glob(f".*{UNFINISHED}"))

    def put(self, data: bytes) -> str:
        name = new_name()
        with _answering_faults():
            write_atomically(self._directory / name, data)
        return name

    def get(self, name: str) -> bytes | None:
        if not is_name(name):
            return None
        path = self._directory / name
        with _answering_faults():
            try:
                with open(path, "rb", opener=_no_link) as file:
                    return file.read()
            except OSError as fault:
                if fault.errno not in {errno.ENOENT, errno.ELOOP}:  # absent, or a link
                    raise
                self._directory.stat()  # where the whole directory is gone, nothing is known about the file
                return None

    def delete(self, name: str) -> None:
        if is_name(name):
            with _answering_faults():
                (self._directory / name).unlink(missing_ok=True)
                sync_directory(self._directory)

    def presigned_url(self, name: str) -> PresignedUrl | None:  # noqa: ARG002 — the port's name
        """There is no other way to a directory."""
        return None

    def names(self, *, older_than: float) -> Iterator[str]:
        with _answering_faults(), os.scandir(self._directory) as entries:
            yield from (entry.name for entry in entries if is_name(entry.name) and _is_older(entry, older_than))


@contextmanager
def _answering_faults() -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise Unavailable from fault


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


def _remove_stale(paths: Iterator[Path]) -> None:
    for path in paths:
        if _is_older(path, _STALE_SECONDS):
            path.unlink(missing_ok=True)  # another process starts too


def _is_older(path: "Path | os.DirEntry[str]", seconds: float) -> bool:
    """Not what is gone in this moment."""
    try:
        return path.stat(follow_symlinks=False).st_mtime <= time.time() - seconds
    except FileNotFoundError:
        return False
