"""The operator's use cases for messages in the outbox: list, find, retry, drop."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from ..domain.errors import NoSuchMessage, NotRetryable
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.texts import is_storable
from .audit import record
from .delivery import is_deliverable
from .operators import PROGRAM, Action, Operator, Operators
from .ports import Clock, Database, OutboxEntry, Transaction
from .validation import MAX_ID, Validator

BATCH = 500
MAX_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ListMessages:
    """All messages in the outbox, or with `failed` only those that failed permanently, the oldest first.

    Raises `Unavailable`.
    """

    database: Database

    def __call__(self, *, failed: bool = False) -> Iterator[OutboxEntry]:
        for batch in _batches(self.database, failed=failed):
            yield from batch


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Messages in the outbox, the oldest first, and the cursor of the next page; None after the last one."""

    entries: Sequence[OutboxEntry]
    cursor: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindMessages:
    """A page of the outbox for an operator: of all messages, or with `failed` of those that failed permanently.

    `limit` is up to 100. Raises `InvalidInput`, `NotPermitted`, `Unavailable`.
    """

    database: Database
    operators: Operators

    def __call__(
        self,
        *,
        operator: Operator,
        failed: bool = False,
        cursor: int | None = None,
        limit: int = 50,
        caller: Caller = TRUSTED_CALLER,
    ) -> MessagePage:
        self.operators.admit(operator, self, None, caller)
        validator = Validator()
        only_failed = validator.flag("failed", failed)
        begin = 0 if cursor is None else validator.number("cursor", cursor, 0, MAX_ID)
        size = validator.number("limit", limit, 1, MAX_PAGE)
        validator.raise_if_invalid()
        found = self.database.outbox.find(failed=only_failed, after=begin, limit=size + 1)
        page = found[:size]
        return MessagePage(page, page[-1].position if len(found) > size else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryMessages:
    """Makes messages due at once with no attempts counted, and returns how many.

    With ids, all of them or none: raises `NoSuchMessage`, and `NotRetryable` for one that is being sent or has expired.
    Without ids, all that failed at least once, except such. `reason` is for the audit log.

    Raises `InvalidInput`, `Unavailable`, and for an operator who is a person `NotPermitted`, `LoginNotFresh`,
    `InvalidCredentials` and `RateLimited`, and `InvalidToken` if their session was revoked meanwhile: batches that were done
    before stay done.
    """

    database: Database
    operators: Operators
    clock: Clock

    def __call__(
        self,
        ids: Collection[str] | None = None,
        *,
        operator: Operator = PROGRAM,
        reason: str | None = None,
        current_password: str | None = None,
        caller: Caller = TRUSTED_CALLER,
    ) -> int:
        action = self.operators.admit_change(operator, self, Validator(), reason, current_password, caller)
        if ids is not None:
            return self._retry(operator, ids, action, strict=True)
        batches = _batches(self.database, failed=False)
        return sum(
            self._retry(operator, [entry.message.id for entry in batch if _has_failed_attempt(entry)], action, strict=False)
            for batch in batches
        )

    def _retry(self, operator: Operator, ids: Collection[str], action: Action, *, strict: bool) -> int:
        retried = []
        with self.database.begin() as tx:
            self.operators.check(tx, operator, self)
            now = self.clock()
            for entry in _lock(tx, ids, strict=strict):
                obstacle = _obstacle(tx, entry, now)
                if strict and obstacle:
                    raise NotRetryable(f"{entry.message.id}: {obstacle}")
                if not obstacle and (strict or _has_failed_attempt(entry)):
                    tx.outbox.requeue(entry.message.id, now)
                    retried.append(entry)
            _record(tx, "retried", retried, now, action)
        return len(retried)


def _obstacle(tx: Transaction, entry: OutboxEntry, now: float) -> str | None:
    """The reason why a message cannot be retried now."""
    if not entry.is_readable:
        return "Its row is damaged: drop it."
    if entry.is_leased(now):
        return "A delivery worker is sending it."
    if not is_deliverable(tx, entry.message, now):
        return "It has expired, or its code was used or replaced."
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class DropMessages:
    """Deletes messages, and returns how many: those with the ids, all or none, or without ids all that failed permanently.

    A message that a delivery worker holds may still be sent. Raises `InvalidInput`, `NoSuchMessage`,
    `Unavailable`, and the refusals of an operator who is a person, as `RetryMessages` does.
    """

    database: Database
    operators: Operators
    clock: Clock

    def __call__(
        self,
        ids: Collection[str] | None = None,
        *,
        operator: Operator = PROGRAM,
        reason: str | None = None,
        current_password: str | None = None,
        caller: Caller = TRUSTED_CALLER,
    ) -> int:
        action = self.operators.admit_change(operator, self, Validator(), reason, current_password, caller)
        if ids is not None:
            return self._drop(operator, ids, action, strict=True)
        batches = _batches(self.database, failed=True)
        return sum(self._drop(operator, [entry.message.id for entry in batch], action, strict=False) for batch in batches)

    def _drop(self, operator: Operator, ids: Collection[str], action: Action, *, strict: bool) -> int:
        with self.database.begin() as tx:
            self.operators.check(tx, operator, self)
            dropped = [entry for entry in _lock(tx, ids, strict=strict) if strict or entry.has_failed_permanently]
            for entry in dropped:
                tx.outbox.delete(entry.message.id)
            _record(tx, "dropped", dropped, self.clock(), action)
        return len(dropped)


def _batches(database: Database, *, failed: bool) -> Iterator[Sequence[OutboxEntry]]:
    after = 0
    while batch := database.outbox.find(failed=failed, after=after, limit=BATCH):
        yield batch
        after = batch[-1].position


def _lock(tx: Transaction, ids: Collection[str], *, strict: bool) -> list[OutboxEntry]:
    locked = []
    for message_id in dict.fromkeys(ids):
        entry = tx.outbox.lock(message_id) if is_storable(message_id) else None
        if entry is not None:
            locked.append(entry)
        elif strict:
            raise NoSuchMessage(f"There is no message {message_id}.")
    return locked


def _has_failed_attempt(entry: OutboxEntry) -> bool:
    return entry.has_failed_permanently or entry.message.failed_attempts > 0


def _record(tx: Transaction, what: str, entries: Sequence[OutboxEntry], now: float, action: Action) -> None:
    if entries:
        which = entries[0].message.id if len(entries) == 1 else f"{len(entries)} messages"
        detail = f"{what} {which}"
        record(tx, EventType.OUTBOX_CHANGED, now, action.caller, detail=detail, actor=action.actor, reason=action.reason)
