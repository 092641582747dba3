"""Reading on in the journal, by a cursor that remembers how far a reader came."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from ..domain.errors import Unavailable
from ..domain.events import Event
from .ports import Clock, Cursor, Database

HOLD_SECONDS = 60.0
MOST_EVENTS = 100

_log = logging.getLogger("vestibule.events")


class Batch:
    """Events with their positions, in order; to be handled before the block ends."""

    def __init__(self, held: Cursor | None = None, events: Sequence[tuple[int, Event]] = ()) -> None:
        self.held = held
        self.events = events
        self.finished = held.position if held else 0

    def __iter__(self) -> Iterator[tuple[int, Event]]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def acknowledge(self, position: int) -> None:
        """Up to there they are done with, should something go wrong with a later one."""
        self.finished = position


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadEvents:
    """What happened since the reader of that name came here last, as a block: `with read_events("billing") as events`.

    Leaving the block says that the events are done with, and the next call gives the ones after them; an exception that leaves
    it does not, and they come again. So each comes once at least, in order, and none is left out. With `one_by_one` only
    what the batch is told to `finish` is done with. A new name begins at the oldest event that is kept. While one reader has
    events at hand, up to a minute, others of its name are given none; after that they are given the same. Raises `Unavailable`.
    """

    database: Database
    clock: Clock

    @contextmanager
    def __call__(self, name: str, *, limit: int = MOST_EVENTS, one_by_one: bool = False) -> Iterator[Batch]:
        batch = self._take(name, limit)
        try:
            yield batch
            if batch.events and not one_by_one:
                batch.acknowledge(batch.events[-1][0])
        except BaseException:
            with suppress(Unavailable):  # then they are free when the minute is over
                self._leave(batch)
            raise
        self._leave(batch)

    def _take(self, name: str, limit: int) -> Batch:
        """Nothing is written where there is nothing to be read."""
        known = self.database.cursors.get(name)
        if _is_held(known, self.clock()):
            return Batch()
        events = self.database.audit_log.read_stable_after(known.position, self.clock(), limit=limit)
        if not events:
            return Batch()
        with self.database.begin() as tx:
            if tx.cursors.lock(name) != known:
                return Batch()
            held = replace(known, leased_until=self.clock() + HOLD_SECONDS)
            tx.cursors.save(held)
        return Batch(held, events)

    def _leave(self, batch: Batch) -> None:
        if batch.held is None:
            return
        with self.database.begin() as tx:
            if tx.cursors.lock(batch.held.name) != batch.held:
                _log.warning("a reader took more than %.0f s, and another has gone on for %s", HOLD_SECONDS, batch.held.name)
                return
            moved_at = self.clock() if batch.finished > batch.held.position else batch.held.moved_at
            tx.cursors.save(replace(batch.held, position=batch.finished, moved_at=moved_at, leased_until=0.0))


def _is_held(cursor: Cursor, now: float) -> bool:
    """Not where a clock that was ahead wrote it."""
    return now < cursor.leased_until <= now + HOLD_SECONDS
