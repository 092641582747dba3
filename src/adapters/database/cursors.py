"""How far readers of the journal came, in SQL."""

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles for SQLite as well; not so the reverse

from ...application.ports import Cursor
from .locked_rows import Claims
from .schema import cursors
from .sql import Ask, Unit

_columns = cursors.columns
_this = _columns.name == bindparam("reader")
_kept = (_columns.position, _columns.moved_at, _columns.leased_until)

_LOOK = select(*_kept).where(_this)
_new = insert(cursors).values(name=bindparam("reader"), position=0, moved_at=0.0, leased_until=0.0)
_CLAIM = _new.on_conflict_do_update(index_elements=[_columns.name], set_={"name": _new.excluded.name}).returning(*_kept)
"""A row that is not there cannot be waited for, so it is made."""
_SAVE = update(cursors).where(_this).values(position=bindparam("to"), moved_at=bindparam("at"), leased_until=bindparam("until"))


class SqlCursorReads:
    """Questions to whatever `ask` reads: what is committed, or one transaction's own rows."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def get(self, name: str) -> Cursor:
        rows = self._ask(_LOOK, reader=name)
        return _cursor(name, *rows[0]) if rows else Cursor(name=name)


class SqlCursors(SqlCursorReads):
    """The same inside a transaction, and changes."""

    def __init__(self, unit: Unit, claims: Claims) -> None:
        super().__init__(unit.ask)
        self._unit = unit
        self._claims = claims

    def lock(self, name: str) -> Cursor:
        self._claims.hold("cursors", name)
        return _cursor(name, *self._unit.run(_CLAIM, reader=name)[0])

    def save(self, cursor: Cursor) -> None:
        self._claims.demand("cursors", cursor.name)
        self._unit.run(_SAVE, reader=cursor.name, to=cursor.position, at=cursor.moved_at, until=cursor.leased_until)


def _cursor(name: str, position: int, moved_at: float, leased_until: float) -> Cursor:
    return Cursor(name=name, position=position, moved_at=moved_at, leased_until=leased_until)
