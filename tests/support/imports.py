"""A source of accounts for tests: records in memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from vestibule.application import PROGRAM, RowReport
from vestibule.application.ports import ImportRecord, UnreadableRecord
from vestibule.entrypoints.facade import Vestibule


@dataclass
class ListSource:
    """Yields these rows; `images` are files by name."""

    rows: Iterable[ImportRecord | UnreadableRecord] = ()
    name: str = "test:users"
    images: dict[str, bytes] = field(default_factory=dict)

    def count(self) -> None:
        return None

    def left_out(self) -> Sequence[str]:
        return []

    def records(self) -> Iterator[ImportRecord | UnreadableRecord]:
        yield from self.rows

    def image(self, name: str) -> bytes | None:
        return self.images.get(name)


def row(number: int, username: str | None = None, **fields: Any) -> ImportRecord:
    """A row with this number as its key, and the username `user<number>`, unless another is given."""
    name = f"user{number}" if username is None else username
    return ImportRecord(**{"key": str(number), "place": f"row {number}", "username": name, "name": name or None} | fields)


def run_import(vestibule: Vestibule, *rows: ImportRecord | UnreadableRecord, **options: Any) -> list[RowReport]:
    defaults: dict[str, Any] = {"operator": PROGRAM, "source": ListSource(rows)}
    return list(vestibule.import_accounts(**defaults | options))
