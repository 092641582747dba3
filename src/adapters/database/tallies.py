"""Tallies in SQL."""

import json
from collections.abc import Iterable, Sequence

from sqlalchemy import ClauseElement, bindparam, select

from ...domain.limits import Tally
from .claims import Claims
from .schema import tallies
from .statements import Ask, Unit, upsert

_LOOK = select(tallies.c.moments).where(tallies.c.key == bindparam("key"))
_CLAIM = _LOOK.with_for_update()
_SAVE = upsert(tallies)


class SqlTallyReads:
    """Questions to whatever `ask` reads: what is committed, or one transaction's own rows."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def look(self, keys: Sequence[str]) -> Sequence[Tally]:
        return [self._read(_LOOK, key) for key in keys]

    def _read(self, statement: ClauseElement, key: str) -> Tally:
        rows = self._ask(statement, key=key)
        return Tally(key, tuple(json.loads(rows[0][0]))) if rows else Tally(key)


class SqlTallies(SqlTallyReads):
    """The same inside a transaction, and changes."""

    def __init__(self, unit: Unit, claims: Claims) -> None:
        super().__init__(unit.ask)
        self._unit = unit
        self._claims = claims

    def claim(self, keys: Sequence[str]) -> Sequence[Tally]:
        for key in keys:
            self._claims.hold("tallies", key)
        return [self._read(_CLAIM, key) for key in keys]

    def save(self, tallies: Iterable[Tally], expires_at: float) -> None:
        for tally in tallies:
            self._claims.demand("tallies", tally.key)
            self._unit.run(_SAVE, key=tally.key, moments=json.dumps(tally.moments), expires_at=expires_at)
