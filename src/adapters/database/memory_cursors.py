"""How far readers of the journal came, in memory."""

from collections.abc import Callable

from ...application.ports import Cursor
from .memory_state import State, Unit


class MemoryCursorReads:
    """Cursors in the version of the rows that `state` answers."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._now_held = state

    def get(self, name: str) -> Cursor:
        return self._now_held().cursors.get(name, Cursor(name=name))


class MemoryCursors(MemoryCursorReads):
    """The same inside a transaction, and changes."""

    def __init__(self, unit: Unit) -> None:
        super().__init__(lambda: unit.state)
        self._unit = unit

    def lock(self, name: str) -> Cursor:
        self._unit.claims.hold("cursors", name)
        return self.get(name)

    def save(self, cursor: Cursor) -> None:
        self._unit.claims.demand("cursors", cursor.name)
        self._unit.state.cursors[cursor.name] = cursor
