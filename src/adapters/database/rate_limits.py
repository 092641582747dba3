"""Tallies in SQL."""

import json
from collections.abc import Iterable, Sequence
from functools import cache

from sqlalchemy import ClauseElement, Text, bindparam, select
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles for SQLite as well; not so the reverse

from ...domain.rate_limits import SlidingWindow
from .locked_rows import Claims
from .schema import rate_limits
from .sql import Ask, Unit, upsert

_SAVE = upsert(rate_limits)


@cache
def _looking(count: int) -> ClauseElement:
    """Reads so many rows in one statement."""
    keys = [bindparam(f"key{number}", type_=Text) for number in range(count)]
    return select(rate_limits.c.key, rate_limits.c.timestamps).where(rate_limits.c.key.in_(keys))


@cache
def _making(count: int) -> ClauseElement:
    """Claims so many rows in one statement, in the order given: makes those that are not there, for purging."""
    row = [{"key": bindparam(f"key{number}", type_=Text), "timestamps": "[]", "expires_at": 0.0} for number in range(count)]
    statement = insert(rate_limits).values(row)
    held = statement.on_conflict_do_update(index_elements=[rate_limits.c.key], set_={"key": statement.excluded.key})
    return held.returning(rate_limits.c.key, rate_limits.c.timestamps)


class SqlTallyReads:
    """Questions to whatever `ask` reads: what is committed, or one transaction's own rows."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def get(self, keys: Sequence[str]) -> Sequence[SlidingWindow]:
        wanted = {f"key{number}": key for number, key in enumerate(keys)}
        moments: dict[str, str] = dict(self._ask(_looking(len(keys)), **wanted)) if wanted else {}
        return [_tally(key, moments.get(key, "[]")) for key in keys]


class SqlTallies(SqlTallyReads):
    """The same inside a transaction, and changes."""

    def __init__(self, unit: Unit, claims: Claims) -> None:
        super().__init__(unit.ask)
        self._unit = unit
        self._claims = claims

    def lock(self, keys: Sequence[str]) -> Sequence[SlidingWindow]:
        for key in keys:
            self._claims.hold("rate_limits", key)
        return self.get(keys) if self._unit.is_alone else self._made(keys)

    def _made(self, keys: Sequence[str]) -> Sequence[SlidingWindow]:
        """A row that is not there cannot be waited for. All go in the order of the keys, so that nobody waits in a circle."""
        wanted = {f"key{number}": key for number, key in enumerate(sorted(set(keys)))}
        moments: dict[str, str] = dict(self._unit.run(_making(len(wanted)), **wanted)) if wanted else {}
        return [_tally(key, moments[key]) for key in keys]

    def save(self, windows: Iterable[SlidingWindow], expires_at: float) -> None:
        for tally in windows:
            self._claims.demand("rate_limits", tally.key)
            self._unit.run(_SAVE, key=tally.key, timestamps=json.dumps(tally.timestamps), expires_at=expires_at)


def _tally(key: str, moments: str) -> SlidingWindow:
    return SlidingWindow(key, tuple(json.loads(moments)))
