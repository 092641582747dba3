"""Private and durable files, for all adapters.

A file that is written here is complete or absent, even after a power cut, and no other user of the machine reads it.
"""

import logging
import os
import shlex
import stat
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp
from typing import IO

UNFINISHED = ".unfinished"
"""The suffix of a temporary file."""
STALE_SECONDS = 3600
"""Longer than any write takes: an older temporary file belongs to a process that died."""

_OTHER_USERS = 0o077
_OWN_NAMES = frozenset({"vestibule.db", "keys.json", "images", "outbox"})
_log = logging.getLogger("vestibule.files")


def make_private(path: Path) -> None:
    """Takes every permission for `path` from group and others, and logs it, if they have one.

    Kubernetes gives the group access to a whole volume at each start (`fsGroup`). Raises `ValueError`, one line with the
    command that helps, where this process cannot change the mode, for a directory for everybody's files, as `/tmp` is, and for
    a device or the like, which other programs need as it is.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise ValueError(f"{path} is neither a file nor a directory")
    mode = stat.S_IMODE(status.st_mode)
    if not mode & _OTHER_USERS:
        return
    if not mode & stat.S_ISVTX:
        with suppress(OSError):
            path.chmod(mode & ~_OTHER_USERS)
    if path.stat().st_mode & _OTHER_USERS:  # some file systems ignore the call
        raise _open_to_others(path, mode)
    _log.warning("%s was open to other users (mode %04o); only its owner has access now", path, mode)


def is_private(path: Path) -> bool:
    """Returns whether group and others have no permission for `path`. Raises `OSError`."""
    return not path.stat().st_mode & _OTHER_USERS


def private_directory(path: Path) -> None:
    """Creates the directory if it is missing, and makes it private otherwise. Raises `ValueError` and `OSError`."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_private(path)


def make_data_directory_private(path: Path) -> None:
    """Makes a data directory private unless it holds other files alone: other programs may need access to it.

    Raises `ValueError` for such a directory, as `make_private` does, and `FileNotFoundError`.
    """
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _OTHER_USERS and (names := _visible_names(path)) and not names & _OWN_NAMES:
        raise _open_to_others(path, mode)
    make_private(path)


def _visible_names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if not path.name.startswith(".")} - {"lost+found"}


def _open_to_others(path: Path, mode: int) -> ValueError:
    shown = shlex.quote(str(path))
    if path.stat().st_uid != os.geteuid() != 0:
        way = f", or name a directory in it, such as {shlex.quote(str(path / 'vestibule'))}" if path.is_dir() else ""
        return ValueError(
            f"{path} belongs to another user and is open to others (mode {mode:04o}): "
            f"run chown {os.geteuid()} {shown} as root{way}"
        )
    command, other = (f"chmod 0700 {shown}", ", or name another directory") if path.is_dir() else (f"chmod 0600 {shown}", "")
    return ValueError(f"{path} is open to other users (mode {mode:04o}): run {command}{other}")


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
