"""The journal in memory."""

from collections.abc import Callable, Sequence

from ...application.ports import AuditQuery
from ...domain.events import Event
from .memory_state import State, Unit


class MemoryJournalReads:
    """Events as committed; a position is the place in the order."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state

    def last_position(self) -> int:
        return len(self._state().events)

    def find(self, query: AuditQuery, *, limit: int) -> Sequence[tuple[int, Event]]:
        numbered = enumerate(self._state().events, 1)
        return [(position, event) for position, event in numbered if _fits(query, position, event)][:limit]

    def read_stable_after(self, after: int, now: float, *, limit: int) -> Sequence[tuple[int, Event]]:  # noqa: ARG002 — the port's names
        """One transaction at a time: nothing appears before what is there."""
        return self.find(AuditQuery(after=after), limit=limit)


def _fits(query: AuditQuery, position: int, event: Event) -> bool:
    return (
        position > query.after
        and query.account_id in {None, event.account_id}
        and query.type in {None, event.type}
        and query.address in {None, event.caller.address}
        and (query.since is None or event.occurred_at >= query.since)
        and (query.until is None or event.occurred_at < query.until)
    )


class MemoryJournal:
    """Events in the order they happened."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def add(self, event: Event) -> None:
        self._unit.state.events.append(event)
        self._unit.has_events = True
