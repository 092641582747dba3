"""Consuming the audit log by a named cursor, which stores how far a reader has come."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from ..domain.errors import Unavailable
from ..domain.events import Event
from .ports import Clock, Cursor, Database

LEASE_SECONDS = 60.0
MAX_EVENTS = 100

_log = logging.getLogger("vestibule.events")


class Batch:
    """Events with their positions, in order."""

    def __init__(self, cursor: Cursor | None = None, events: Sequence[tuple[int, Event]] = ()) -> None:
        self.cursor = cursor
        self.events = events
        self.acknowledged = cursor.position if cursor else 0

    def __iter__(self) -> Iterator[tuple[int, Event]]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def acknowledge(self, position: int) -> None:
        """Marks the events up to `position` as done, whatever happens to later ones."""
        self.acknowledged = position


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadEvents:
    """Context manager of the next batch of unread events of a reader: `with read_events("billing") as events`.

    Leaving it without an exception acknowledges the events, and the next call returns later ones; after an exception they are
    returned again. So each is returned at least once, in order, and none is skipped. With `one_by_one` only events up
    to `acknowledge` are done. A new name begins at the oldest event that is kept. While one reader holds a batch, for at most
    a minute, others of its name get an empty one; after that they get the same events. Raises `Unavailable`.
    """

    database: Database
    clock: Clock

    @contextmanager
    def __call__(self, name: str, *, limit: int = MAX_EVENTS, one_by_one: bool = False) -> Iterator[Batch]:
        batch = self._lease(name, limit)
        try:
            yield batch
            if batch.events and not one_by_one:
                batch.acknowledge(batch.events[-1][0])
        except BaseException:
            with suppress(Unavailable):  # then the lease expires within the minute
                self._release(batch)
            raise
        self._release(batch)

    def skip_to_end(self, name: str) -> None:
        """Lets a new reader begin with the next event instead of the oldest one; an existing reader stays where it is."""
        if self.database.cursors.get(name).moved_at:
            return
        last = self.database.audit_log.last_position()
        with self.database.begin() as tx:
            cursor = tx.cursors.lock(name)
            if not cursor.moved_at:
                tx.cursors.save(replace(cursor, position=last, moved_at=self.clock()))

    def _lease(self, name: str, limit: int) -> Batch:
        """Writes nothing if there are no events."""
        cursor, now = self.database.cursors.get(name), self.clock()
        if now < cursor.leased_until <= now + LEASE_SECONDS:  # a later end was stored by a clock that ran ahead
            return Batch()
        events = self.database.audit_log.read_stable_after(cursor.position, now, limit=limit)
        if not events:
            return Batch()
        with self.database.begin() as tx:
            if tx.cursors.lock(name) != cursor:
                return Batch()
            leased = replace(cursor, leased_until=self.clock() + LEASE_SECONDS)
            tx.cursors.save(leased)
        return Batch(leased, events)

    def _release(self, batch: Batch) -> None:
        if (cursor := batch.cursor) is None:
            return
        with self.database.begin() as tx:
            if tx.cursors.lock(cursor.name) != cursor:
                text = "the lease of reader %s expired after %.0f s and another one took over; events may be handled twice"
                _log.warning(text, cursor.name, LEASE_SECONDS)
                return
            moved_at = self.clock() if batch.acknowledged > cursor.position else cursor.moved_at
            tx.cursors.save(replace(cursor, position=batch.acknowledged, moved_at=moved_at, leased_until=0.0))
