"""The sources of accounts that the command line imports."""

from dataclasses import dataclass
from pathlib import Path

from ...adapters.account_sources import CsvSource, JsonLinesSource
from ...application.ports import AccountSource, SourceError


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """The options of a source: its `name`, the time zone of its times, and the directory of its images."""

    name: str | None = None
    timezone: str = "UTC"
    media: Path | None = None


def file_source(file: Path, options: SourceOptions) -> AccountSource:
    """The accounts of a file. Raises `SourceError`, one line."""
    match file.suffix.lower():
        case ".csv":
            return CsvSource(file, name=options.name, timezone=options.timezone, media=options.media)
        case ".jsonl" | ".ndjson":
            return JsonLinesSource(file, name=options.name, timezone=options.timezone, media=options.media)
        case _:
            raise SourceError(f"{file}: its name must end in .jsonl, .ndjson or .csv.")
