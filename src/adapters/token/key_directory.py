"""The keys of a directory, in a process that goes on while they are rotated."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from time import monotonic, time

from .key_files import BLINDING, CODES, REFRESH, SIGNING, open_directory
from .keys import Keys

LOOK_EVERY = 2.0
FIRST = 1

Seen = frozenset[tuple[str, int, int, int]]
"""What tells a directory of keys from a changed one: each name, with which file it is and when that was changed."""

_log = logging.getLogger("vestibule.keys")


def open_keys(directory: Path, clock: Callable[[], float] = time) -> Keys:
    """The keys in `directory`; a kind that has none gets its first one, durably, before this returns.

    Processes that start at once end with the same keys. Raises `ValueError`, one line that names the file, for a key
    that is no good or that others than its owner may read, and `OSError` where the disk refuses.
    """
    open_directory(directory)
    for kind in (SIGNING, CODES, REFRESH, BLINDING):
        if not kind.has_any(directory):
            kind.make(directory, FIRST, clock())
    return read_keys(directory)


def read_keys(directory: Path) -> Keys:
    """The same, and makes none: raises `ValueError` where a kind has none."""
    return Keys(
        signing=SIGNING.read(directory),
        codes=CODES.read(directory),
        refresh=REFRESH.read(directory),
        blinding=BLINDING.read(directory),
    )


class KeyDirectory:
    """A `KeySource`: looked at again when it is asked and two seconds have passed, read again when changed.

    Asked in between it compares two times and touches no disk, whatever a token says. One thread looks while the others
    go on with the keys they have; so does everybody while the directory cannot be read, which is logged.
    """

    def __init__(self, directory: Path, clock: Callable[[], float] = monotonic) -> None:
        self._directory = directory
        self._clock = clock
        self._looking = Lock()
        self._keys = open_keys(directory)
        self._seen: Seen | None = None  # so that the first look reads again, and nothing changed meanwhile is missed
        self._next_look = clock() + LOOK_EVERY

    def current(self) -> Keys:
        if self._clock() >= self._next_look and self._looking.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._looking.release()
        return self._keys

    def _look(self) -> None:
        try:
            seen = _seen(self._directory)
            if seen != self._seen:
                self._take(read_keys(self._directory))
                self._seen = seen
        except (ValueError, OSError) as fault:
            _log.error("the keys stay as they were, for they cannot be read again: %s", fault)
        self._next_look = self._clock() + LOOK_EVERY

    def _take(self, keys: Keys) -> None:
        if keys != self._keys:
            self._keys = keys
            _log.info("the keys have changed")


def _seen(directory: Path) -> Seen:
    with os.scandir(directory) as entries:
        found = ((entry.name, entry.stat()) for entry in entries if not entry.name.startswith("."))
        return frozenset((name, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns) for name, stat in found)
