"""The port `AccountSource`: the accounts of other systems."""

from .csv_file import CsvSource
from .django import DjangoSource
from .drf_user import DrfUserSource
from .fastapi_users import FastapiUsersSource
from .json_lines import JsonLinesSource

__all__ = ["CsvSource", "DjangoSource", "DrfUserSource", "FastapiUsersSource", "JsonLinesSource"]
