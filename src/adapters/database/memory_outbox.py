"""The outbox in memory."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ...application.ports import Channel, Message, OutboxEntry
from .memory_state import State, Unit


class MemoryOutboxReads:
    """Messages as committed."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state

    def find(self, *, failed: bool, after: int, limit: int) -> Sequence[OutboxEntry]:
        rows = self._state().outbox.values()
        return [row for row in rows if row.position > after and (row.has_failed or not failed)][:limit]


class MemoryOutbox:
    """Messages under way; one that was sent is forgotten."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def add(self, message: Message) -> None:
        state = self._unit.state
        state.last_position += 1
        state.outbox[message.id] = OutboxEntry(position=state.last_position, message=message, due_at=message.not_before)
        self._unit.has_messages = True

    def lease(self, now: float, *, seconds: float, limit: int, channel: Channel | None = None) -> Sequence[Message]:
        waiting = [
            (row.due_at, row)
            for row in self._unit.state.outbox.values()
            if row.due_at is not None and row.due_at <= now and channel in {None, row.message.channel}
        ]
        due = [row for _, row in sorted(waiting, key=lambda one: one[0])[:limit]]
        for row in due:
            self._put(replace(row, due_at=now + seconds))
        return [row.message for row in due]

    def delete(self, message_id: str) -> None:
        self._unit.state.outbox.pop(message_id, None)

    def reschedule(self, message_id: str, not_before: float) -> None:
        row = self.lock(message_id)
        if row is not None and not row.has_failed:
            message = replace(row.message, not_before=not_before, attempts=row.message.attempts + 1)
            self._put(replace(row, message=message, due_at=not_before))

    def release(self, message_id: str) -> None:
        row = self.lock(message_id)
        if row is not None and not row.has_failed:
            self._put(replace(row, due_at=row.message.not_before))

    def give_up(self, message_id: str, reason: str) -> None:
        row = self.lock(message_id)
        if row is not None:
            self._put(replace(row, due_at=None, failure_reason=reason))

    def lock(self, message_id: str) -> OutboxEntry | None:
        return self._unit.state.outbox.get(message_id)

    def retry(self, message_id: str, now: float) -> None:
        row = self.lock(message_id)
        if row is not None:
            message = replace(row.message, not_before=now, attempts=0)
            self._put(replace(row, message=message, due_at=now, failure_reason=None))
            self._unit.has_messages = True

    def _put(self, row: OutboxEntry) -> None:
        self._unit.state.outbox[row.message.id] = row
