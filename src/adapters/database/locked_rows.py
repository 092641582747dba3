"""The rows that a transaction has locked."""

from collections.abc import Hashable


class LockedRows:
    """Enforces "lock, then save": a row read without a lock may be stale, and saving it would undo another transaction."""

    def __init__(self) -> None:
        self._rows: set[tuple[str, Hashable]] = set()

    def add(self, table: str, key: Hashable) -> None:
        self._rows.add((table, key))

    def contains(self, table: str, key: Hashable) -> bool:
        return (table, key) in self._rows

    def require(self, table: str, key: Hashable) -> None:
        """Raises `LookupError` unless this transaction has locked or added the row."""
        if not self.contains(table, key):
            raise LookupError(f"This transaction has not locked the row of {table} that it saves.")
