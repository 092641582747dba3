"""What a transaction has claimed, so that nothing else is saved in it."""

from collections.abc import Hashable


class Claims:
    """Claim, then save: a row that was read outside may be another by now, and saving it would undo what others did."""

    def __init__(self) -> None:
        self._held: set[tuple[str, Hashable]] = set()

    def hold(self, table: str, key: Hashable) -> None:
        self._held.add((table, key))

    def holds(self, table: str, key: Hashable) -> bool:
        return (table, key) in self._held

    def demand(self, table: str, key: Hashable) -> None:
        """Raises `LookupError` unless it was claimed, or added, in this transaction."""
        if not self.holds(table, key):
            raise LookupError(f"This transaction has not claimed what it saves in {table}.")
