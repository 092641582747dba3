"""The directory that another system keeps its images in."""

import os
from pathlib import Path

from ...application.ports import SourceError

_MAX_BYTES = 64 << 20  # more than any image that is accepted; a longer file is cut, and refused as a damaged image


class MediaDirectory:
    """Files below one directory, such as Django's MEDIA_ROOT, by their paths in it.

    No path leads out of the directory: not by `..`, not by a leading slash, and not by a symbolic link.
    Raises `SourceError` if there is no such directory.
    """

    def __init__(self, directory: Path) -> None:
        if not directory.is_dir():
            raise SourceError(f"There is no directory {directory}.")
        self._root = directory.resolve()

    def read(self, name: str) -> bytes | None:
        """The content of the file; None if there is none inside of the directory."""
        try:
            path = (self._root / name).resolve(strict=True)
            if not path.is_relative_to(self._root) or not path.is_file():
                return None
            with open(path, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NOFOLLOW)) as file:
                return file.read(_MAX_BYTES)
        except (OSError, ValueError, RuntimeError):  # absent, unreadable; a NUL or a surrogate in the name; a loop of links
            return None
