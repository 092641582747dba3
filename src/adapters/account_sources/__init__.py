"""The port `AccountSource`: the accounts of other systems."""

from .csv_file import CsvSource
from .json_lines import JsonLinesSource

__all__ = ["CsvSource", "JsonLinesSource"]
