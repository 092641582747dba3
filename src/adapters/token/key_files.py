"""Keys in a directory, a file each, named by kind and number: `signing-1.pem`, `codes-1.key`, `refresh-1.key`, …

A line before the key says when it begins to make what is new: `Signs-From: 2026-11-24T20:00:00Z` (RFC 7468 lets a PEM file
have such text). It stands in the file because times of files do not survive every copy. A key without it has always
begun, and what is older than that verifies until it is taken away. Files of other names are not looked at.
"""

import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from tempfile import mkstemp
from typing import Generic, TypeVar

from ...domain.session import LIFE_SECONDS
from .keys import ALWAYS, Secret, SigningKey
from .terms import ACCESS_SECONDS, MAX_LEEWAY

MINUTE = 60.0
"""Long enough for every server of a deployment to have found a new key: they look every few seconds."""

DAY = 86_400.0
"""Long enough for every service that verifies access tokens to have asked for the public keys again."""

CODE_SECONDS = 3600.0
"""No code is good for longer."""

_MAX_FILE_BYTES = 16_384
_LINE = re.compile(rb"^signs-from:.*\n?", re.IGNORECASE | re.MULTILINE)
_MOMENT = re.compile(r"Signs-From: (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\r?\n", re.ASCII)

_Key = TypeVar("_Key", SigningKey, Secret)


@dataclass(frozen=True, slots=True)
class Kind(Generic[_Key]):
    """One kind of key: how its files are called, written and read.

    `notice` is for how many seconds a new key is there before it is used, `grace` for how many what a key made is good.
    """

    name: str
    suffix: str
    new: Callable[[], bytes]
    parse: Callable[[int, bytes, float], _Key]
    notice: float
    grace: float

    def path(self, directory: Path, number: int) -> Path:
        return directory / f"{self.name}-{number}.{self.suffix}"

    def has_any(self, directory: Path) -> bool:
        return bool(self._numbered(directory))

    def read(self, directory: Path) -> tuple[_Key, ...]:
        """Oldest first. Raises `ValueError`, one line that names the file, for one that is no good, and `OSError`."""
        return tuple(self._read(path, number) for number, path in self._numbered(directory))

    def make(self, directory: Path, number: int, starts: float) -> None:
        """Puts a new key there, durably, or leaves the one that another process was first to put."""
        with suppress(FileExistsError):
            put(self.path(directory, number), self.dated(self.new(), starts), replace=False)

    def dated(self, content: bytes, starts: float) -> bytes:
        """The content of a file with that beginning, rounded down to a second, in place of the one it had."""
        moment = datetime.fromtimestamp(int(starts), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"Signs-From: {moment}\n".encode("ascii") + _LINE.sub(b"", content)

    def _numbered(self, directory: Path) -> list[tuple[int, Path]]:
        pattern = re.compile(rf"{self.name}-([1-9][0-9]{{0,3}})\.{self.suffix}", re.ASCII)
        matches = ((pattern.fullmatch(path.name), path) for path in directory.iterdir())
        return sorted((int(match[1]), path) for match, path in matches if match)

    def _read(self, path: Path, number: int) -> _Key:
        content = read_private(path)
        try:
            starts, rest = _starts(content)
            return self.parse(number, rest, starts)
        except ValueError as fault:
            raise ValueError(f"{path}: {fault}") from None


def _signing_key(number: int, content: bytes, starts: float) -> SigningKey:
    return SigningKey.from_pem(content, number, starts)


def _new_signing_key() -> bytes:
    return SigningKey.generate().pem()


def _secret(number: int, content: bytes, starts: float) -> Secret:
    return Secret.from_text(number, content.decode("ascii", "replace"), starts)


def _new_secret() -> bytes:
    return f"{Secret.generate().text()}\n".encode("ascii")


SIGNING = Kind("signing", "pem", _new_signing_key, _signing_key, notice=DAY, grace=ACCESS_SECONDS + MAX_LEEWAY)
CODES = Kind("codes", "key", _new_secret, _secret, notice=MINUTE, grace=CODE_SECONDS)
REFRESH = Kind("refresh", "key", _new_secret, _secret, notice=MINUTE, grace=LIFE_SECONDS)
BLINDING = Kind("blinding", "key", _new_secret, _secret, notice=MINUTE, grace=inf)


def _starts(content: bytes) -> tuple[float, bytes]:
    """When the key begins, and the rest; a line that is not as it should be must not let a key begin too early."""
    lines = _LINE.findall(content)
    if not lines:
        return ALWAYS, content
    match = _MOMENT.fullmatch(lines[0].decode("ascii", "replace")) if len(lines) == 1 else None
    try:
        moment = datetime.fromisoformat(match[1]).timestamp() if match else -1
    except ValueError:
        moment = -1
    if moment < 0:
        raise ValueError("the line with its beginning is to read like Signs-From: 2026-11-24T20:00:00Z")
    return moment, _LINE.sub(b"", content)


def open_directory(directory: Path) -> None:
    """Makes it where it is missing. Raises `ValueError` where others than its owner could put keys into it."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _refuse_mode(directory, directory.stat().st_mode, forbidden=0o022, wanted="0700")


def read_private(path: Path) -> bytes:
    """Raises `ValueError` for a file that others than its owner may read or write."""
    with path.open("rb") as file:
        _refuse_mode(path, os.fstat(file.fileno()).st_mode, forbidden=0o077, wanted="0600")
        return file.read(_MAX_FILE_BYTES)


def put(path: Path, content: bytes, *, replace: bool) -> None:
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


def remove(path: Path) -> None:
    """Durably; nothing is said where it is gone already."""
    path.unlink(missing_ok=True)
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refuse_mode(path: Path, mode: int, *, forbidden: int, wanted: str) -> None:
    if mode & forbidden:
        raise ValueError(f"{path}: open to others than its owner: its mode must be {wanted}, not {stat.S_IMODE(mode):04o}")
