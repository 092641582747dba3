"""Accounts of other systems: the records that an import reads, their sources, and what the database keeps of each import."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from .database import Database

__all__ = [
    "AccountSource",
    "ImportReads",
    "ImportRecord",
    "ImportedRow",
    "Imports",
    "RehearsalDatabase",
    "SourceError",
    "UnreadableRecord",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRecord:
    """An account as another system has it: texts are as they are there, and nothing is validated.

    `key` identifies it within its source for ever, such as the id of its row. `place` tells a person where it stands, such as
    `line 17`. `id` is None if the import is to choose one. `password_hash` is in the format of that system; None and texts that
    are no hash mean that the account has no usable password. Times are seconds since the epoch; None if they are unknown.
    `image` is the name by which `AccountSource.image` finds the file. `remarks` are changes that the source itself has made,
    one line each.
    """

    key: str
    place: str
    id: int | None = None
    username: str | None = None
    name: str | None = None
    email: str | None = None
    mobile: str | None = None
    email_verified: bool = False
    mobile_verified: bool = False
    is_active: bool = True
    is_staff: bool = False
    is_superuser: bool = False
    roles: tuple[str, ...] = ()
    password_hash: str | None = field(default=None, repr=False)
    created_at: float | None = None
    image: str | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A row of a source that is no account; `reason` says in one line why."""

    key: str
    place: str
    reason: str


class AccountSource(Protocol):
    """Reads the accounts of another system, in one order that does not change, without keeping them in memory.

    `name` identifies the source in later runs: `drf-user:shop`. Raises `SourceError` with one line for a person when the source
    cannot be read.
    """

    @property
    def name(self) -> str: ...

    def count(self) -> int | None:
        """The number of its rows; None if only reading them all would tell."""

    def left_out(self) -> Sequence[str]:
        """Lines about what the system has next to its accounts, which no import takes: `12 permissions of users`."""

    def records(self) -> Iterator[ImportRecord | UnreadableRecord]: ...

    def image(self, name: str) -> bytes | None:
        """The content of an image file; None if there is no such file."""


class SourceError(Exception):
    """A source cannot be read; the text is one line for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRow:
    """The row of a source that became the account `account_id`; `source` is the name of the source, `key` the row's key there.

    `digests` tells a later import which fields have changed, in the source and here. It is empty once the account was deleted.
    `image` names the image file in the source that is not imported yet.
    """

    source: str
    key: str
    account_id: int
    digests: str
    imported_at: float
    image: str | None = None


class ImportReads(Protocol):
    """Committed rows of imports."""

    def find(self, source: str, keys: Collection[str]) -> Mapping[str, ImportedRow]:
        """The rows with these keys, by key."""

    def with_images(self, source: str, after: str, *, limit: int) -> Sequence[ImportedRow]:
        """Rows whose image is not imported yet, in the order of keys, from the first key above `after`."""


class Imports(ImportReads, Protocol):
    """Rows of imports inside a transaction, whose reads also see its own changes."""

    def put(self, rows: Sequence[ImportedRow]) -> None:
        """Stores rows, in place of those with the same source and key."""

    def forget(self, account_id: int) -> None:
        """Removes digests and image from the rows of a deleted account, so that no import makes it again."""


class RehearsalDatabase(Protocol):
    """Makes an empty database for the dry run of an import, which is deleted when the block is left."""

    def __call__(self) -> "AbstractContextManager[Database]": ...
