"""Cursors: the positions of readers of the audit log."""

import pytest

from ....application.ports import Cursor, Database
from .builders import NOW


class CursorsContract:
    """Cursors: the positions of readers of the audit log."""

    def test_cursor_begins_at_zero_and_advances(self, database: Database) -> None:
        assert database.cursors.get("crm") == Cursor(name="crm")
        with database.begin() as tx:
            assert tx.cursors.lock("crm") == Cursor(name="crm")
            moved = Cursor(name="crm", position=7, moved_at=NOW, leased_until=NOW + 1 / 3)
            tx.cursors.save(moved)
            assert tx.cursors.get("crm") == moved
        assert database.cursors.get("crm") == moved
        with database.begin() as tx:
            assert tx.cursors.lock("crm") == moved
            tx.cursors.save(Cursor(name="crm", position=2**40))
        assert database.cursors.get("crm") == Cursor(name="crm", position=2**40)
        assert database.cursors.get("nul \0") == Cursor(name="nul \0")

    def test_unlocked_cursor_cannot_be_saved(self, database: Database) -> None:
        with database.begin() as tx:
            tx.cursors.lock("crm")
            with pytest.raises(LookupError):
                tx.cursors.save(Cursor(name="billing", position=1))
        assert database.cursors.get("billing") == Cursor(name="billing")
