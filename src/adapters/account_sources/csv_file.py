"""Accounts in CSV (RFC 4180)."""

import csv
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from ...application.ports import SourceError
from .columns import COLUMNS
from .text_file import MAX_LINE, Line, TextFileSource

_DELIMITERS = ",;\t"
_MAX_LINES = 100
"""The number of lines of the longest row: an unclosed quote would make one row of the rest of the file."""


class CsvSource(TextFileSource):
    """The accounts of a file whose first line names the columns, separated by commas, semicolons or tabs.

    Empty lines are no rows. Raises `SourceError` for a first line that names no known column, or one of them twice.
    """

    def _rows(self, lines: Iterator[Line]) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
        header = next(lines, Line(1, ""))
        delimiter = max(_DELIMITERS, key=header.text.count)
        names = [name.strip() for name in _split(header.text, delimiter) or ()]
        _check(header, names)
        waiting: deque[Line] = deque()
        while (line := waiting.popleft() if waiting else next(lines, None)) is not None:
            if line.fault:
                yield line.number, line.fault
            elif line.text.strip():
                yield line.number, _row(line, names, delimiter, waiting, lines)


def _check(header: Line, names: Sequence[str]) -> None:
    known = [name for name in names if name in COLUMNS]
    if header.fault or not known:
        raise SourceError(f"The first line of a CSV file names its columns, such as username,email. {header.fault}".strip())
    if len(set(known)) < len(known):
        raise SourceError("The first line of the CSV file names a column twice.")


def _row(
    first: Line, names: Sequence[str], delimiter: str, waiting: deque[Line], lines: Iterator[Line]
) -> Mapping[str, Any] | str:
    """The values of the row that begins with this line. Lines that it takes wrongly are read again by themselves."""
    more: list[Line] = []
    text, following = first.text, chain(_drain(waiting), lines)
    while text.count('"') % 2 and len(more) < _MAX_LINES and len(text) < MAX_LINE:
        line = next(following, None)
        if line is None or line.fault:
            more += [line] if line else []
            break
        more.append(line)
        text = f"{text}\n{line.text}"
    values = None if text.count('"') % 2 else _split(text, delimiter)
    if values is not None and len(values) == len(names):
        return dict(zip(names, values, strict=True))
    waiting.extendleft(reversed(more))
    if values is None or more:
        return "Its quotes are not closed or not doubled, or a value has more than 131,072 characters."
    return f"It has {len(values)} values for {len(names)} columns."


def _drain(waiting: deque[Line]) -> Iterator[Line]:
    while waiting:
        yield waiting.popleft()


def _split(text: str, delimiter: str) -> list[str] | None:
    """The values of one row; None if the quotes are wrong."""
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return None
