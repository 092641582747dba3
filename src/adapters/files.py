"""Durable writes: a file that is written here is complete or absent, even after a power cut. Shared by the adapter folders."""

import os
from pathlib import Path
from tempfile import mkstemp
from typing import IO

UNFINISHED = ".unfinished"
"""The suffix of a temporary file."""
STALE_SECONDS = 3600
"""Longer than any write takes: an older temporary file belongs to a process that died."""


def write_atomically(path: Path, content: bytes, *, overwrite: bool = True) -> None:
    """Writes a file of mode 0600 and returns when it is durable.

    Raises `FileExistsError` if the file exists and `overwrite` is false. The content goes to a temporary file in the same
    directory first, named `.<name>.<random>.unfinished`.
    """
    handle, name = mkstemp(prefix=f".{path.name}.", suffix=UNFINISHED, dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            sync_file(file)
        if overwrite:
            temporary.replace(path)
        else:
            path.hardlink_to(temporary)
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)


def sync_file(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Makes created, renamed and removed names durable: syncing the file itself does not cover its directory entry."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
