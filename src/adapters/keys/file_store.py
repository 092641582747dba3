"""Keys in a directory, a file each, named by kind and number: `signing-1.pem`, `codes-1.key`, `refresh-1.key`, …

Files of other names are not looked at.
"""

import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp

from .key_files import KINDS
from .store import Contents, Name

_MAX_FILE_BYTES = 16_384
_FILE = re.compile("|".join(rf"({kind.name})-([1-9][0-9]{{0,3}})\.{kind.suffix}" for kind in KINDS.values()), re.ASCII)


class FileKeyStore:
    """A `KeyStore`, and a `Change` of it. Refuses files that others may read, and a place where others may write."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def called(self, name: Name) -> str:
        return str(self._path(name))

    def inherited(self) -> Contents:
        return {}

    def contents(self) -> Contents:
        _refuse_mode(self._directory, self._directory.stat().st_mode, forbidden=0o022, wanted="0700")
        found: dict[Name, bytes] = {}
        for file in os.listdir(self._directory):  # noqa: PTH208 — a third of the cost of Path's, every two seconds
            if match := _FILE.fullmatch(file):
                kind, number = filter(None, match.groups())
                with suppress(FileNotFoundError):  # taken away in this moment
                    found[kind, int(number)] = _read_private(self._directory / file)
        return found

    @contextmanager
    def changing(self) -> Iterator["FileKeyStore"]:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_mode(self._directory, self._directory.stat().st_mode, forbidden=0o022, wanted="0700")
        with _alone_in(self._directory):
            yield self

    def add(self, name: Name, content: bytes) -> None:
        _put(self._path(name), content, replace=False)

    def replace(self, name: Name, content: bytes) -> None:
        _put(self._path(name), content, replace=True)

    def remove(self, name: Name) -> None:
        self._path(name).unlink(missing_ok=True)
        _sync_directory(self._directory)

    def _path(self, name: Name) -> Path:
        kind, number = name
        return self._directory / f"{kind}-{number}.{KINDS[kind].suffix}"


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Where the file system locks no directories, as NFS, the names of the files see to it that two do not make the same."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _read_private(path: Path) -> bytes:
    """Raises `ValueError` for a file that others than its owner may read or write."""
    with path.open("rb") as file:
        _refuse_mode(path, os.fstat(file.fileno()).st_mode, forbidden=0o077, wanted="0600")
        return file.read(_MAX_FILE_BYTES)


def _put(path: Path, content: bytes, *, replace: bool) -> None:
    """Puts the whole file there, durably. Raises `FileExistsError` where there is one that it is not to replace."""
    handle, name = mkstemp(prefix=".new-", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            temporary.replace(path)
        else:
            path.hardlink_to(temporary)
    finally:
        temporary.unlink(missing_ok=True)
        _sync_directory(path.parent)
        _sync_directory(path.parent.parent)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refuse_mode(path: Path, mode: int, *, forbidden: int, wanted: str) -> None:
    if mode & forbidden:
        raise ValueError(f"{path}: open to others than its owner: its mode must be {wanted}, not {stat.S_IMODE(mode):04o}")
