"""Looking back, and clearing away."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..domain.events import Event
from .ports import AuditQuery, Clock, Database

BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAuditLog:
    """The events that fit the query, the oldest first, each with its position. Raises `Unavailable`."""

    database: Database

    def __call__(self, query: AuditQuery) -> Iterator[tuple[int, Event]]:
        after = query.after
        while events := self.database.audit_log.find(replace(query, after=after), limit=BATCH):
            yield from events
            after = events[-1][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """Deletes what has ended long enough ago, in small batches; answers how many rows went.

    Codes and proofs go after a day, sessions 30 days after the latest end they can have, dead letters after a week, events
    after 400 days. Raises `Unavailable`.
    """

    database: Database
    clock: Clock

    def __call__(self) -> int:
        gone = 0
        while batch := self.database.purge(self.clock(), limit=BATCH):
            gone += batch
        return gone
