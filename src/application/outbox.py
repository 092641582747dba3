"""What lies in the outbox: looked at, tried again, dropped, by whoever runs the service."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from ..domain.errors import NoSuchMessage, NotRetryable
from ..domain.events import Event, EventType
from .delivery import is_wanted
from .maintenance import BATCH
from .ports import Clock, Database, OutboxEntry, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ListMessages:
    """Everything that waits or was given up, or with `dead` the latter alone, the oldest first. Raises `Unavailable`."""

    database: Database

    def __call__(self, *, dead: bool = False) -> Iterator[OutboxEntry]:
        for batch in _batches(self.database, dead=dead):
            yield from batch


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryMessages:
    """Makes messages due at once and as if never tried; answers how many.

    Those with the ids, all or none: raises `NoSuchMessage`, and `NotRetryable` where one is being sent or nobody wants it any
    more. Without ids all that have failed, waiting or given up, but for such. Raises `Unavailable`.
    """

    database: Database
    clock: Clock

    def __call__(self, ids: Collection[str] | None = None) -> int:
        if ids is not None:
            return self._retry(ids, strictly=True)
        batches = _batches(self.database, dead=False)
        return sum(self._retry([one.message.id for one in batch if _has_failed(one)], strictly=False) for batch in batches)

    def _retry(self, ids: Collection[str], *, strictly: bool) -> int:
        with self.database.begin() as tx:
            now = self.clock()
            found = [one for one in _claim(tx, ids, strictly=strictly) if strictly or _has_failed(one)]
            due = [one for one in found if self._is_free(tx, one, now, strictly=strictly)]
            for one in due:
                tx.outbox.retry(one.message.id, now)
            _tell(tx, "retried", due, now)
        return len(due)

    @staticmethod
    def _is_free(tx: Transaction, one: OutboxEntry, now: float, *, strictly: bool) -> bool:
        if one.is_leased(now):
            hindrance = "A courier has it at the moment."
        elif not is_wanted(tx, one.message, now):
            hindrance = "Nobody wants it any more: its time is over, or its code was used or replaced."
        else:
            return True
        if strictly:
            raise NotRetryable(f"{one.message.id}: {hindrance}")
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class DropMessages:
    """Deletes messages, and answers how many: those with the ids, all or none, or without ids all that were given up.

    One that a courier has at the moment may still go out. Raises `NoSuchMessage`, `Unavailable`.
    """

    database: Database
    clock: Clock

    def __call__(self, ids: Collection[str] | None = None) -> int:
        if ids is not None:
            return self._drop(ids, strictly=True)
        batches = _batches(self.database, dead=True)
        return sum(self._drop([one.message.id for one in batch], strictly=False) for batch in batches)

    def _drop(self, ids: Collection[str], *, strictly: bool) -> int:
        with self.database.begin() as tx:
            found = [one for one in _claim(tx, ids, strictly=strictly) if strictly or one.has_failed]
            for one in found:
                tx.outbox.delete(one.message.id)
            _tell(tx, "dropped", found, self.clock())
        return len(found)


def _batches(database: Database, *, dead: bool) -> Iterator[Sequence[OutboxEntry]]:
    after = 0
    while batch := database.outbox.find(dead=dead, after=after, limit=BATCH):
        yield batch
        after = batch[-1].position


def _claim(tx: Transaction, ids: Collection[str], *, strictly: bool) -> list[OutboxEntry]:
    found = []
    for message_id in dict.fromkeys(ids):
        one = tx.outbox.lock(message_id)
        if one is not None:
            found.append(one)
        elif strictly:
            raise NoSuchMessage(f"There is no message {message_id}.")
    return found


def _has_failed(one: OutboxEntry) -> bool:
    return one.has_failed or one.message.attempts > 0


def _tell(tx: Transaction, did: str, messages: Sequence[OutboxEntry], now: float) -> None:
    if messages:
        which = messages[0].message.id if len(messages) == 1 else f"{len(messages)} messages"
        tx.audit_log.add(Event(type=EventType.OUTBOX_CHANGED, occurred_at=now, detail=f"{did} {which}"))
