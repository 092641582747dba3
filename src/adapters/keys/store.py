"""Storage of the key set: the port, and a private file."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..files import make_data_directory_private, make_private, sync_directory, write_atomically
from .keyset import KeySet

_MAX_BYTES = 1 << 20


@dataclass(slots=True)
class KeyChange:
    """The keys of a locked store. The value of `keys` at the end of the block is stored."""

    keys: KeySet


class KeyStore(Protocol):
    """Both methods raise `ValueError`, one line, for an invalid key set, and `OSError` or `Unavailable`."""

    def read(self) -> KeySet:
        """An absent key set is an empty one."""
        ...

    def changing(self) -> AbstractContextManager[KeyChange]:
        """Locks the store: other changes wait. The change is durable after the block, and discarded after an exception."""
        ...


class FileKeyStore:
    """A `KeyStore` in one file, which only its owner may read, in a directory that is private as well.

    It takes the permissions of other users away, and refuses a file or directory where it cannot.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> KeySet:
        try:
            make_data_directory_private(self._path.parent)
            make_private(self._path)
            with self._path.open("rb") as file:
                document = file.read(_MAX_BYTES)
        except FileNotFoundError:
            return KeySet()
        try:
            return KeySet.from_json(document)
        except ValueError as error:
            raise ValueError(f"{self._path}: {error}") from None

    @contextmanager
    def changing(self) -> Iterator[KeyChange]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._lock():
            before = self.read()
            change = KeyChange(before)
            yield change
            if change.keys != before:
                write_atomically(self._path, change.keys.to_json())
                sync_directory(self._path.parent.parent)  # the directory may be new

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Locks a file next to the key file, which is replaced at each change. NFS cannot lock the directory."""
        handle = os.open(self._path.with_name(f".{self._path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
