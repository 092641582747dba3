"""Sliding windows in an SQLite file, shared by the processes of one machine.

SQLite survives the end of a process at any moment. Nothing here need survive the machine, so no write waits for the disk.
"""

import logging
import os
import sqlite3
from array import array
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from socket import gethostname
from threading import Lock
from time import monotonic

from ... import forks
from ...application.ports import RateLimiter
from ...domain.rate_limits import RateLimits
from ..availability import Availability
from .memory import Window
from .shared import SharedRateLimiter

TIMEOUT = 0.25
"""Seconds that a call waits while another process writes."""
MAX_BYTES = 64 * 1024 * 1024
"""The size of the file from which each new key replaces those that expire first."""

_SUFFIXES = ("", "-wal", "-shm")
_CREATE = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS windows (
    key BLOB PRIMARY KEY, timestamps BLOB NOT NULL, expires_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS windows_by_expiry ON windows (expires_at);
"""
_GET = "SELECT timestamps FROM windows WHERE key = ?"
_ADD = "INSERT INTO windows VALUES (?, ?, ?)"
_SAVE = "UPDATE windows SET timestamps = ?, expires_at = ? WHERE key = ?"
_EVICT = "DELETE FROM windows WHERE key IN (SELECT key FROM windows WHERE expires_at <= ? ORDER BY expires_at LIMIT 2)"
_PAGES_IN_USE = (
    "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
)

_log = logging.getLogger("vestibule.rate_limiter")


def node_limits_file(directory: Path) -> Path:
    """The file for the processes of this machine; other machines that have the same directory use files of their own."""
    return directory / f".limits-{gethostname()}.db"


def remove_node_limits(directory: Path) -> None:
    """Removes the counts of an earlier server, and the file with them if it was damaged. Processes that use it go on."""
    file = node_limits_file(directory)
    for suffix in _SUFFIXES:
        with suppress(OSError):
            file.with_name(file.name + suffix).unlink()


class NodeRateLimiter(SharedRateLimiter):
    """A `RateLimiter` that is shared by all processes of this machine with the same `file`.

    It opens the file at the first hit. While that fails, or another process blocks it for longer than `timeout` seconds,
    `fallback` applies the limits. When the file has `max_bytes`, new keys replace those that expire first.
    """

    may_block = False

    def __init__(
        self,
        file: Path,
        fallback: RateLimiter,
        *,
        timeout: float = TIMEOUT,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        availability = Availability(_log, "The file of shared rate limits", "each process applies the rate limits by itself")
        self._connection: sqlite3.Connection | None = None
        self._is_unusable = False
        super().__init__(fallback, availability, clock)
        self._file = file
        self._timeout = timeout
        self._max_bytes = max_bytes

    def before_fork(self) -> None:
        """Closes the connection, which a child must neither use nor close."""
        self._is_paused = self._lock.acquire(timeout=forks.WAIT_SECONDS)
        if self._is_paused and self._connection is not None:
            self._connection.close()
            self._connection = None

    def after_fork(self) -> None:
        if self._is_paused:
            self._lock.release()

    def renew(self) -> None:
        super().renew()
        self._lock = Lock()
        if self._connection is not None:  # another thread has not left it in time
            forks.leave_open(self._connection)
            self._connection, self._is_unusable = None, True

    def __repr__(self) -> str:
        return f"NodeRateLimiter({self._file})"

    def close(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def _hit(self, key: str, limits: RateLimits, now: float) -> int:
        digest = blake2b(key.encode(errors="surrogatepass"), digest_size=16).digest()
        with self._lock:
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
            try:
                wait = self._count(connection, digest, limits, now)
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
        return wait

    def _count(self, connection: sqlite3.Connection, key: bytes, limits: RateLimits, now: float) -> int:
        row = connection.execute(_GET, (key,)).fetchone()
        window = Window(array("d", row[0]) if row else ())
        if wait := window.hit(limits, now):
            return wait
        timestamps = array("d", window.timestamps).tobytes()
        if row:
            connection.execute(_SAVE, (timestamps, window.expires_at, key))
        else:
            self._evict(connection, now)
            connection.execute(_ADD, (key, timestamps, window.expires_at))
        return 0

    def _evict(self, connection: sqlite3.Connection, now: float) -> None:
        """Removes up to two expired keys per new key, and others if the file is full; so no call has to sweep them all."""
        is_full = connection.execute(_PAGES_IN_USE).fetchone()[0] >= self._max_bytes
        connection.execute(_EVICT, (float("inf") if is_full else now,))

    def _connected(self) -> sqlite3.Connection:
        if self._is_unusable:
            raise RuntimeError
        if self._connection is None:
            os.close(os.open(self._file, os.O_CREAT | os.O_RDWR, 0o600))
            connection = sqlite3.connect(self._file, timeout=self._timeout, isolation_level=None, check_same_thread=False)
            connection.executescript(_CREATE)
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        with suppress(sqlite3.Error):
            self.close()
