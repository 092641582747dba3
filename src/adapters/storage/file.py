"""Images as files in one directory, each complete or absent."""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...application.ports import PresignedUrl
from ...domain.errors import Unavailable
from ..files import STALE_SECONDS, UNFINISHED, private_directory, sync_directory, write_atomically
from .names import is_name, new_name


class FileStorage:
    """A `Storage`; several processes may share the directory. Raises `Unavailable` if the disk is full, read-only or gone.

    Creates the directory with mode 0700, its files with 0600, and removes unfinished files of a crashed process. Raises
    `OSError` if the directory cannot be created, `ValueError` if it is open to other users and cannot be made private.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        private_directory(directory)
        for path in directory.glob(f".*{UNFINISHED}"):
            if _is_older(path, STALE_SECONDS):
                path.unlink(missing_ok=True)  # another process may be starting too

    def put(self, data: bytes) -> str:
        name = new_name()
        with _os_errors_as_unavailable():
            write_atomically(self._directory / name, data)
        return name

    def get(self, name: str) -> bytes | None:
        if not is_name(name):
            return None
        path = self._directory / name
        with _os_errors_as_unavailable():
            try:
                with open(path, "rb", opener=_no_link) as file:
                    return file.read()
            except OSError as error:
                if error.errno not in {errno.ENOENT, errno.ELOOP}:  # absent, or a link
                    raise
                self._directory.stat()  # raises if the whole directory is gone, which says nothing about the file
                return None

    def delete(self, name: str) -> None:
        if is_name(name):
            with _os_errors_as_unavailable():
                (self._directory / name).unlink(missing_ok=True)
                sync_directory(self._directory)

    def presigned_url(self, name: str) -> PresignedUrl | None:  # noqa: ARG002 — the port's name
        """Returns None: a directory has no URL."""
        return None

    def names(self, *, older_than: float) -> Iterator[str]:
        with _os_errors_as_unavailable(), os.scandir(self._directory) as entries:
            yield from (entry.name for entry in entries if is_name(entry.name) and _is_older(entry, older_than))


@contextmanager
def _os_errors_as_unavailable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable from error


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


def _is_older(path: "Path | os.DirEntry[str]", seconds: float) -> bool:
    """False for a file that another process has just removed."""
    try:
        return path.stat(follow_symlinks=False).st_mtime <= time.time() - seconds
    except FileNotFoundError:
        return False
