"""The outbox in memory."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ...application.ports import Channel, Message, Posted
from .memory_state import State, Unit


class MemoryOutboxReads:
    """Messages as committed."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state

    def find(self, *, dead: bool, after: int, most: int) -> Sequence[Posted]:
        rows = self._state().outbox.values()
        return [row for row in rows if row.position > after and (row.is_dead or not dead)][:most]


class MemoryOutbox:
    """Messages under way; one that was sent is forgotten."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def add(self, message: Message) -> None:
        state = self._unit.state
        state.last_position += 1
        state.outbox[message.id] = Posted(position=state.last_position, message=message, due_at=message.not_before)
        self._unit.has_messages = True

    def lease(self, now: float, *, seconds: float, most: int, kind: Channel | None = None) -> Sequence[Message]:
        waiting = [
            (row.due_at, row)
            for row in self._unit.state.outbox.values()
            if row.due_at is not None and row.due_at <= now and kind in {None, row.message.kind}
        ]
        due = [row for _, row in sorted(waiting, key=lambda one: one[0])[:most]]
        for row in due:
            self._put(replace(row, due_at=now + seconds))
        return [row.message for row in due]

    def done(self, message_id: str) -> None:
        self._unit.state.outbox.pop(message_id, None)

    def later(self, message_id: str, not_before: float) -> None:
        row = self.claim(message_id)
        if row is not None and not row.is_dead:
            message = replace(row.message, not_before=not_before, attempts=row.message.attempts + 1)
            self._put(replace(row, message=message, due_at=not_before))

    def put_back(self, message_id: str) -> None:
        row = self.claim(message_id)
        if row is not None and not row.is_dead:
            self._put(replace(row, due_at=row.message.not_before))

    def dead(self, message_id: str, reason: str) -> None:
        row = self.claim(message_id)
        if row is not None:
            self._put(replace(row, due_at=None, dead_because=reason))

    def claim(self, message_id: str) -> Posted | None:
        return self._unit.state.outbox.get(message_id)

    def retry(self, message_id: str, now: float) -> None:
        row = self.claim(message_id)
        if row is not None:
            message = replace(row.message, not_before=now, attempts=0)
            self._put(replace(row, message=message, due_at=now, dead_because=None))
            self._unit.has_messages = True

    def _put(self, row: Posted) -> None:
        self._unit.state.outbox[row.message.id] = row
