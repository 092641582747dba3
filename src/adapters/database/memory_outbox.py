"""The outbox and the journal in memory."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ...application.ports import Message, Query
from ...domain.account import Kind
from ...domain.events import Event
from .memory_state import Due, State, Unit


class MemoryOutbox:
    """Messages under way; one that was sent is forgotten, one that was given up is kept apart."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def add(self, message: Message) -> None:
        self._unit.state.waiting[message.id] = Due(message, message.not_before)
        self._unit.has_messages = True

    def lease(self, now: float, *, seconds: float, most: int, kind: Kind | None = None) -> Sequence[Message]:
        rows = self._unit.state.waiting
        wanted = [row for row in rows.values() if row.at <= now and kind in {None, row.message.kind}]
        due = sorted(wanted, key=lambda row: row.at)[:most]
        for row in due:
            rows[row.message.id] = Due(row.message, now + seconds)
        return [row.message for row in due]

    def done(self, message_id: str) -> None:
        self._unit.state.waiting.pop(message_id, None)

    def later(self, message_id: str, not_before: float) -> None:
        rows = self._unit.state.waiting
        if message_id in rows:
            message = rows[message_id].message
            again = replace(message, not_before=not_before, attempts=message.attempts + 1)
            rows[message_id] = Due(again, not_before)

    def dead(self, message_id: str, reason: str) -> None:
        row = self._unit.state.waiting.pop(message_id, None)
        if row is not None:
            self._unit.state.dead[message_id] = (row.message, reason)


class MemoryJournalReads:
    """Events as committed; a position is the place in the order."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state

    def find(self, query: Query, *, most: int) -> Sequence[tuple[int, Event]]:
        numbered = enumerate(self._state().events, 1)
        return [(position, event) for position, event in numbered if _fits(query, position, event)][:most]


def _fits(query: Query, position: int, event: Event) -> bool:
    return (
        position > query.after
        and query.account_id in {None, event.account_id}
        and query.what in {None, event.what}
        and query.address in {None, event.caller.address}
        and (query.since is None or event.at >= query.since)
        and (query.until is None or event.at < query.until)
    )


class MemoryJournal:
    """Events in the order they happened."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def add(self, event: Event) -> None:
        self._unit.state.events.append(event)
