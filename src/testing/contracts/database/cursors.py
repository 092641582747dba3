"""How far readers of the journal came."""

import pytest

from ....application.ports import Cursor, Database
from .given import (
    NOW,
)


class CursorsContract:
    """How far readers of the journal came."""

    def test_a_reader_begins_at_the_beginning_and_moves_on(self, database: Database) -> None:
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

    def test_a_cursor_that_was_not_claimed_here_cannot_be_saved(self, database: Database) -> None:
        with database.begin() as tx:
            tx.cursors.lock("crm")
            with pytest.raises(LookupError):
                tx.cursors.save(Cursor(name="billing", position=1))
        assert database.cursors.get("billing") == Cursor(name="billing")
