"""A file of accounts, read line by line: what JSON Lines and CSV have in common."""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from zoneinfo import ZoneInfo

from ...application.ports import ImportRecord, SourceError, UnreadableRecord
from .columns import COLUMNS, WrongValue, record_of, shown
from .media import MediaDirectory

MAX_LINE = 1 << 20
"""The number of bytes of the longest line that is read."""

_BLOCK = 1 << 20
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_MAX_UNKNOWN = 100
_CLEAR_TEXT = "column {}: left out, because passwords in clear text are not imported; let their owners set new ones"


class Line(NamedTuple):
    """A line, without its end; `fault` says why it cannot be read."""

    number: int
    text: str
    fault: str = ""


class TextFileSource(ABC):
    """An `AccountSource` over a file in UTF-8. Times without an offset are those of `timezone`.

    Of rows with the same key the first one counts. Images are below the directory `media`; without it there are none. Raises
    `SourceError` for a file, directory or time zone that does not exist.
    """

    def __init__(self, path: Path, *, name: str | None = None, timezone: str = "UTC", media: Path | None = None) -> None:
        if not path.is_file():
            raise SourceError(f"There is no file {path}.")
        self._path = path
        self._name = name or f"file:{path.name}"
        self._timezone = time_zone(timezone)
        self._media = None if media is None else MediaDirectory(media)
        self._unknown: set[str] = set()

    @property
    def name(self) -> str:
        return self._name

    def count(self) -> int | None:
        """The number of lines, which may be a little higher than that of rows."""
        with self._open() as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK), b""))

    def left_out(self) -> list[str]:
        return []

    def image(self, name: str) -> bytes | None:
        return None if self._media is None else self._media.read(name)

    def records(self) -> Iterator[ImportRecord | UnreadableRecord]:
        self._unknown.clear()
        with self._open() as file, closing(_Seen()) as seen:
            for number, values in self._rows(_lines(file)):
                place = f"line {number}"
                row = UnreadableRecord(place, place, values) if isinstance(values, str) else self._record(place, values)
                earlier = seen.add(row.key, number) if isinstance(row, ImportRecord) else None
                yield row if earlier is None else UnreadableRecord(row.key, place, f"It has the same key as line {earlier}.")

    @abstractmethod
    def _rows(self, lines: Iterator[Line]) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
        """Yields the number of each row's line with its values by column, or with the reason why it cannot be read."""

    def _record(self, place: str, values: Mapping[str, Any]) -> ImportRecord | UnreadableRecord:
        try:
            return record_of(values, place, self._timezone, self._remarks(values))
        except WrongValue as error:
            return UnreadableRecord(place, place, str(error))

    def _remarks(self, names: Collection[str]) -> Iterator[str]:
        """Names each unknown column once, at the first row that has it."""
        for name in names:
            if name not in COLUMNS and name not in self._unknown and len(self._unknown) < _MAX_UNKNOWN:
                self._unknown.add(name)
                is_password = name.strip().lower() == "password"
                yield _CLEAR_TEXT.format(shown(name)) if is_password else f"column {shown(name)}: not known, and left out"

    def _open(self) -> BinaryIO:
        try:
            return self._path.open("rb")
        except OSError as error:
            raise SourceError(f"{self._path} cannot be read: {error.strerror or error}.") from None


def time_zone(name: str) -> ZoneInfo:
    """Raises `SourceError` for a name that is no time zone."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError):  # `ZoneInfoNotFoundError` is a KeyError
        pass
    except KeyError:
        pass
    raise SourceError(f"There is no time zone {name}; names look like Asia/Kolkata.")


def _lines(file: BinaryIO) -> Iterator[Line]:
    """Reads lines of at most `MAX_LINE` bytes; of a longer one nothing is kept in memory. Raises `SourceError` for UTF-16."""
    number = 0
    while raw := file.readline(MAX_LINE + 1):
        number += 1
        if number == 1:
            if raw.startswith(_UTF_16):
                raise SourceError("The file is in UTF-16: save it in UTF-8.")
            raw = raw.removeprefix(_BOM)
        if len(raw) > MAX_LINE and not raw.endswith(b"\n"):
            while (rest := file.readline(_BLOCK)) and not rest.endswith(b"\n"):
                pass
            yield Line(number, "", f"It is longer than {MAX_LINE} bytes.")
            continue
        try:
            yield Line(number, raw.decode().rstrip("\r\n"))
        except UnicodeDecodeError:
            yield Line(number, "", "It is not in UTF-8.")


class _Seen:
    """The keys of a file, on disk, so that memory does not grow with the rows."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)  # a file that SQLite removes
        self._connection.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self._connection.execute("BEGIN")
        self.close = self._connection.close

    def add(self, key: str, line: int) -> int | None:
        """Returns the line of an earlier row with that key."""
        inserted = self._connection.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key, line))
        if inserted.rowcount:
            return None
        [(earlier,)] = self._connection.execute("SELECT line FROM seen WHERE key = ?", (key,))
        return int(earlier)
