"""The file format of a backup: one zip file with the database, the keys and the images.

Entries are stored without compression, because images are compressed already. Each carries a CRC-32.
"""

import os
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import IO
from zipfile import BadZipFile, ZipFile, ZipInfo

from ...adapters.files import UNFINISHED, sync_directory, sync_file

DATABASE, KEYS, IMAGES = "vestibule.db", "keys.json", "images"

_NAME = re.compile(rf"{re.escape(DATABASE)}|{re.escape(KEYS)}|{IMAGES}/(?:[A-Za-z0-9_][A-Za-z0-9._-]*)?", re.ASCII)
_CHUNK = 1 << 20

Progress = Callable[[int, int], None]
"""Receives the number of finished files and of all files."""


class BadArchive(ValueError):
    """The file is not a complete backup; the text is one line with the reason."""


@contextmanager
def create_archive(path: Path) -> Iterator[tuple[ZipFile, Path]]:
    """Yields an archive to fill and a directory for temporary files. The archive appears at `path`, durable, after the block.

    After an error or Ctrl-C nothing is there. Raises `FileExistsError` if `path` exists.
    """
    _require_absent(path)
    with TemporaryDirectory(prefix=f".{path.name}.", suffix=UNFINISHED, dir=path.parent) as directory:
        unfinished = Path(directory) / "archive"
        with open(unfinished, "xb", opener=_private) as file:
            with ZipFile(file, "w", strict_timestamps=False) as archive:
                yield archive, Path(directory)
            sync_file(file)
        _require_absent(path)
        unfinished.rename(path)
    sync_directory(path.parent)


def add_file(archive: ZipFile, name: str, path: Path) -> None:
    """Copies a file into the archive. Raises `FileNotFoundError`, and adds nothing, if the file does not exist."""
    with path.open("rb") as source:
        entry = ZipInfo.from_file(path, name, strict_timestamps=False)
        with archive.open(entry, "w") as target:
            copyfileobj(source, target, _CHUNK)


def extract_archive(path: Path, into: Path, progress: Progress) -> set[str]:
    """Extracts all files into an empty directory and returns their names; reading verifies each checksum.

    Raises `BadArchive` for a damaged file, and for one with unexpected names.
    """
    try:
        with ZipFile(path) as archive:
            entries = _checked_entries(archive, path)
            for done, entry in enumerate(entries, start=1):
                target = into / entry.filename
                if entry.is_dir():
                    target.mkdir(mode=0o700, exist_ok=True)
                else:
                    target.parent.mkdir(mode=0o700, exist_ok=True)
                    with archive.open(entry) as source:
                        _write(source, target)
                progress(done, len(entries))
    except (BadZipFile, EOFError, RuntimeError, zlib.error) as error:  # RuntimeError: encrypted, or an unknown compression
        raise BadArchive(f"{path} is damaged, or not a backup of Vestibule ({error}).") from error
    for directory in (into / IMAGES, into):
        if directory.is_dir():
            sync_directory(directory)
    return {entry.filename for entry in entries if not entry.is_dir()}


def _checked_entries(archive: ZipFile, path: Path) -> list[ZipInfo]:
    names: set[str] = set()
    for name in archive.namelist():
        if not _NAME.fullmatch(name) or name in names:
            raise BadArchive(f"{path} is not a backup of Vestibule: it contains {name!r}.")
        names.add(name)
    if DATABASE not in names:
        raise BadArchive(f"{path} is not a backup of Vestibule: it has no {DATABASE}.")
    return archive.infolist()


def _write(source: IO[bytes], path: Path) -> None:
    with open(path, "xb", opener=_private) as file:
        copyfileobj(source, file, _CHUNK)
        sync_file(file)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _require_absent(path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(f"{path} exists already; a backup overwrites nothing.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no directory {path.parent}.")
