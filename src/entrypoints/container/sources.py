"""The sources of accounts that the command line imports."""

from dataclasses import dataclass
from pathlib import Path

from ...adapters.account_sources import CsvSource, DjangoSource, DrfUserSource, FastapiUsersSource, JsonLinesSource
from ...application.ports import AccountSource, SourceError


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """The options of a source: its `name`, the time zone of its times, and the directory of its images.

    `table` is another table of users than the usual one. `trust_validation` is for drf-user alone.
    """

    name: str | None = None
    timezone: str = "UTC"
    media: Path | None = None
    table: str | None = None
    trust_validation: bool = True


def file_source(file: Path, options: SourceOptions) -> AccountSource:
    """The accounts of a file. Raises `SourceError`, one line."""
    match file.suffix.lower():
        case ".csv":
            return CsvSource(file, name=options.name, timezone=options.timezone, media=options.media)
        case ".jsonl" | ".ndjson":
            return JsonLinesSource(file, name=options.name, timezone=options.timezone, media=options.media)
        case _:
            raise SourceError(f"{file}: its name must end in .jsonl, .ndjson or .csv.")


def database_source(kind: str, url: str, options: SourceOptions) -> AccountSource:
    """The accounts in the database of `drf-user`, `django` or `fastapi-users`. Raises `SourceError`, without a secret."""
    name, timezone, media, table = options.name, options.timezone, options.media, options.table
    match kind:
        case "drf-user":
            return DrfUserSource(url, name=name, timezone=timezone, media=media, trust_validation=options.trust_validation)
        case "django":
            return DjangoSource(url, table=table, name=name, timezone=timezone, media=media)
        case _:
            return FastapiUsersSource(url, table=table, name=name, timezone=timezone)
