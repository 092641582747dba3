"""The outbox and the journal in memory."""

from collections.abc import Sequence
from dataclasses import replace

from ...application.ports import Message
from ...domain.events import Event
from .memory_state import Due, Unit


class MemoryOutbox:
    """Messages under way; one that was sent is forgotten, one that was given up is kept apart."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def add(self, message: Message) -> None:
        self._unit.state.waiting[message.id] = Due(message, message.not_before)
        self._unit.has_messages = True

    def lease(self, now: float, *, seconds: float, most: int) -> Sequence[Message]:
        rows = self._unit.state.waiting
        due = sorted((row for row in rows.values() if row.at <= now), key=lambda row: row.at)[:most]
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


class MemoryJournal:
    """Events in the order they happened."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def add(self, event: Event) -> None:
        self._unit.state.events.append(event)
