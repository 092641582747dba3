"""Accounts in JSON Lines: one JSON object a line."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from .text_file import Line, TextFileSource


class JsonLinesSource(TextFileSource):
    """The accounts of a file that has a JSON object on each line, with members named like the columns. Empty lines are none."""

    def _rows(self, lines: Iterator[Line]) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
        for line in lines:
            if line.text.strip() or line.fault:
                yield line.number, line.fault or _object(line.text)


def _object(text: str) -> Mapping[str, Any] | str:
    try:
        values = msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:
        return f"It is not valid JSON: {str(error).partition(chr(10))[0]}."
    return values if isinstance(values, dict) else "It is not a JSON object."
