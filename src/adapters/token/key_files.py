"""Keys in a directory: made at the first start, only read from then on.

A file is named by its kind and number: `signing-1.pem`, `codes-1.key`, `refresh-1.key`. To rotate, put the next number
beside it: the highest number makes what is new, and the others verify what is old until they are taken away. Files of
other names are not looked at.
"""

import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp
from typing import TypeVar

from .keys import Keys, Secret, SigningKey

_MAX_FILE_BYTES = 16_384

_Key = TypeVar("_Key", SigningKey, Secret)


def open_keys(directory: Path) -> Keys:
    """The keys in `directory`; a kind that has none gets its first one, durably, before this returns.

    Processes that start at once end with the same keys. Raises `ValueError`, one line that names the file, for a key
    that is no good or that others than its owner may read, and `OSError` where the disk refuses.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _refuse_mode(directory, directory.stat().st_mode, forbidden=0o022, wanted="0700")
    return Keys(
        signing=_open(directory, "signing-{}.pem", _new_signing_key, _signing_key),
        codes=_open(directory, "codes-{}.key", _new_secret, _secret),
        refresh=_open(directory, "refresh-{}.key", _new_secret, _secret),
    )


def _open(directory: Path, name: str, new: Callable[[], bytes], read: Callable[[int, bytes], _Key]) -> tuple[_Key, ...]:
    if not _numbered(directory, name):
        _create(directory / name.format(1), new())
    return tuple(_read(path, number, read) for number, path in _numbered(directory, name))


def _numbered(directory: Path, name: str) -> list[tuple[int, Path]]:
    """The files of that name with their numbers, lowest first."""
    pattern = re.compile(re.escape(name).replace(r"\{\}", "([1-9][0-9]{0,3})"), re.ASCII)
    matches = ((pattern.fullmatch(path.name), path) for path in directory.iterdir())
    return sorted((int(match[1]), path) for match, path in matches if match)


def _create(path: Path, content: bytes) -> None:
    """Puts the whole file there, or leaves the one that another process was first to put: a link never replaces."""
    handle, temporary = mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        Path(temporary).unlink()
    _sync_directory(path.parent)
    _sync_directory(path.parent.parent)


def _read(path: Path, number: int, read: Callable[[int, bytes], _Key]) -> _Key:
    with path.open("rb") as file:
        _refuse_mode(path, os.fstat(file.fileno()).st_mode, forbidden=0o077, wanted="0600")
        content = file.read(_MAX_FILE_BYTES)
    try:
        return read(number, content)
    except ValueError as fault:
        raise ValueError(f"{path}: {fault}") from None


def _signing_key(_number: int, content: bytes) -> SigningKey:
    return SigningKey.from_pem(content)


def _new_signing_key() -> bytes:
    return SigningKey.generate().pem()


def _secret(number: int, content: bytes) -> Secret:
    return Secret.from_text(number, content.decode("ascii", "replace"))


def _new_secret() -> bytes:
    return f"{Secret.generate().text()}\n".encode("ascii")


def _refuse_mode(path: Path, mode: int, *, forbidden: int, wanted: str) -> None:
    if mode & forbidden:
        raise ValueError(f"{path}: open to others than its owner: its mode must be {wanted}, not {stat.S_IMODE(mode):04o}")


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
