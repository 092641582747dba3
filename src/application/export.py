"""The export of an account: everything that is kept about it, for its owner."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from ..domain.account import Account
from ..domain.errors import NoSuchAccount
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.rate_limits import Limits
from . import rate_limits
from .audit import record
from .fresh_login import FreshLogin
from .notifications import Notice, Notices
from .operators import Action, Operator, Operators
from .ports import AccountRecords, Clock, Database, Storage
from .rate_limits import Counter
from .retry import retry_on_conflict
from .tokens import Identity
from .validation import Validator

PIECE_BYTES = 64 * 1024

_PRIVATE_FILE = 0o600 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountExport:
    """The common part of both exports: the zip with everything that is kept about an account."""

    database: Database
    records: AccountRecords
    storage: Storage
    notices: Notices
    clock: Clock

    def _pieces(self, account: Account) -> Iterator[bytes]:
        made, made_at = _Pieces(), datetime.fromtimestamp(self.clock(), UTC)
        with ZipFile(made, "w") as archive:
            for kind, rows in groupby(self.records.read(account), key=itemgetter(0)):
                with archive.open(_entry(f"{kind}.json", made_at), "w", force_zip64=True) as file:
                    for text in _json(kind, (row for _, row in rows)):
                        file.write(text.encode())
                        yield from made.taken(PIECE_BYTES)
            image = self.storage.get(account.image) if account.image else None
            if image is not None:
                archive.writestr(_entry("image.webp", made_at), image)
        yield from made.taken(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportAccount(AccountExport):
    """Everything that is kept about the caller's account, as a zip of JSON files and the image.

    Returns the zip in pieces, which are made as they are taken: `b"".join(…)` is the whole file. The export is recorded, and
    the owner notified, before the first piece. Hashes, keys and codes are left out, and so are codes and messages to addresses
    that are not verified: they may be another person's. An account has five exports a day.
    Raises `InvalidInput` for a password that is not text, `LoginNotFresh`, `InvalidCredentials`, `RateLimited`, `InvalidToken`
    if the session was revoked meanwhile, `Unavailable`, also while pieces are taken.
    """

    fresh_login: FreshLogin
    limits: Limits

    def __call__(
        self, *, identity: Identity, current_password: str | None = None, caller: Caller = TRUSTED_CALLER
    ) -> Iterator[bytes]:
        validator = Validator()
        given = validator.password("current_password", current_password, required=False)
        validator.raise_if_invalid()
        self.fresh_login.require(identity, given, caller)
        return self._pieces(self._record(identity, caller))

    @retry_on_conflict
    def _record(self, identity: Identity, caller: Caller) -> Account:
        counter = Counter(f"exports:{identity.account.id}", self.limits.exports_per_account, "exports")
        with self.database.begin() as tx:
            counters = rate_limits.lock(tx.rate_limits, [counter], self.clock)
            if refusal := counters.refusal():
                raise refusal
            counters.hit().save(tx.rate_limits)
            account, now = identity.lock_account(tx, self.clock), counters.now
            record(tx, EventType.EXPORTED, now, caller, account_id=account.id, session_id=identity.session_id)
            self.notices(tx, Notice.EXPORT_MADE, account, now, caller)
        return account


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportAnyAccount(AccountExport):
    """The export of an account for an operator, in the form of `ExportAccount`; its owner is notified.

    Raises `InvalidInput`, `NoSuchAccount`, `NotPermitted`, `LoginNotFresh`, `InvalidCredentials` and `RateLimited` for a wrong
    password, `InvalidToken` if the operator's session was revoked meanwhile, `Unavailable`, also while pieces are taken.
    """

    operators: Operators

    def __call__(
        self,
        *,
        operator: Operator,
        account_id: int,
        reason: str | None = None,
        current_password: str | None = None,
        caller: Caller = TRUSTED_CALLER,
    ) -> Iterator[bytes]:
        action = self.operators.admit_change(operator, self, Validator(), reason, current_password, caller)
        return self._pieces(self._record(operator, account_id, action))

    @retry_on_conflict
    def _record(self, operator: Operator, account_id: int, action: Action) -> Account:
        with self.database.begin() as tx:
            account, now = tx.accounts.lock(account_id), self.clock()
            if account is None:
                raise NoSuchAccount("There is no account with this id.")
            self.operators.check_target(tx, operator, self, account)
            action.record(tx, EventType.EXPORTED, now, account)
            self.notices(tx, Notice.EXPORT_MADE, account, now, TRUSTED_CALLER)
        return account


@dataclass(slots=True)
class _Pieces:
    """A file that is only written; its content is taken out in pieces."""

    _written: list[bytes] = field(default_factory=list)
    _size: int = 0

    def write(self, data: bytes) -> int:
        self._written.append(bytes(data))
        self._size += len(data)
        return len(data)

    def flush(self) -> None:
        """Does nothing, for nothing waits; `zipfile` demands it, and a `close`."""

    close = flush

    def taken(self, at_least: int) -> Iterator[bytes]:
        """Yields the content that has not been taken yet, if that is enough."""
        if self._size >= at_least:
            piece = b"".join(self._written)
            self._written, self._size = [], 0
            yield piece


def _entry(name: str, made_at: datetime) -> ZipInfo:
    entry = ZipInfo(name, made_at.timetuple()[:6])
    entry.compress_type = ZIP_DEFLATED
    entry.external_attr = _PRIVATE_FILE
    return entry


def _json(kind: str, rows: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """Yields the parts of an indented JSON text: one object for the account, a list of objects for any other kind."""
    texts = (json.dumps(dict(row), ensure_ascii=False, indent=2, default=_time) for row in rows)
    if kind == "account":
        yield f"{next(texts)}\n"
        return
    separator = "[\n  "
    for text in texts:
        yield separator + text.replace("\n", "\n  ")
        separator = ",\n  "
    yield "\n]\n"


def _time(value: object) -> str:
    """Converts a time, the only value of a record that is not of JSON."""
    assert isinstance(value, datetime)  # noqa: S101 — the port's promise
    return value.isoformat().replace("+00:00", "Z")
