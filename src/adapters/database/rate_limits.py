"""Rate-limit windows in SQL."""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import takewhile

from msgspec import json
from sqlalchemy import ClauseElement, Text, bindparam, select
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles for SQLite too, not the reverse

from ...domain.rate_limits import SlidingWindow
from .locked_rows import LockedRows
from .schema import rate_limits
from .sql import HIGHEST, OpenTransaction, Query, numbered, upsert_rows


@cache
def select_windows(count: int) -> ClauseElement:
    """Reads `count` rows in one statement."""
    keys = [bindparam(f"key{number}", type_=Text) for number in range(count)]
    return select(rate_limits.c.key, rate_limits.c.timestamps).where(rate_limits.c.key.in_(keys))


@cache
def lock_windows(count: int) -> ClauseElement:
    """Locks `count` rows in one statement, in the given order. Missing rows are added, already expired."""
    rows = [{"key": bindparam(f"key{number}", type_=Text), "timestamps": "[]", "expires_at": 0.0} for number in range(count)]
    statement = insert(rate_limits).values(rows)
    locked = statement.on_conflict_do_update(index_elements=[rate_limits.c.key], set_={"key": statement.excluded.key})
    return locked.returning(rate_limits.c.key, rate_limits.c.timestamps)


_MAX_FOUND = 1000
_BEGINNING_WITH = (
    select(rate_limits.c.key, rate_limits.c.timestamps)
    .where(rate_limits.c.key >= bindparam("prefix"), rate_limits.c.key < bindparam("end"))
    .limit(_MAX_FOUND)
)


class SqlSlidingWindowReads:
    """Reads windows by `query`: committed ones, or those that one transaction sees."""

    def __init__(self, query: Query) -> None:
        self._query = query

    def get(self, keys: Sequence[str]) -> Sequence[SlidingWindow]:
        wanted = {f"key{number}": key for number, key in enumerate(keys)}
        timestamps: dict[str, str] = dict(self._query(select_windows(len(keys)), **wanted)) if wanted else {}
        return [window_of(key, timestamps.get(key, "[]")) for key in keys]

    def beginning_with(self, prefix: str) -> Sequence[SlidingWindow]:
        rows = self._query(_BEGINNING_WITH, prefix=prefix, end=prefix + HIGHEST)
        return [window_of(key, timestamps) for key, timestamps in rows]


class SqlSlidingWindows(SqlSlidingWindowReads):
    """Reads, locks and changes windows in one transaction."""

    def __init__(self, sql: OpenTransaction, locked: LockedRows) -> None:
        super().__init__(sql.query)
        self._sql = sql
        self._locked = locked

    def lock(self, keys: Sequence[str]) -> Sequence[SlidingWindow]:
        for key in keys:
            self._locked.add("rate_limits", key)
        return self.get(keys) if self._sql.is_only_writer else self._lock_rows(keys)

    def _lock_rows(self, keys: Sequence[str]) -> Sequence[SlidingWindow]:
        """Adds missing rows, because an absent row cannot be locked, and locks in the order of keys, against deadlocks."""
        wanted = {f"key{number}": key for number, key in enumerate(sorted(set(keys)))}
        timestamps: dict[str, str] = dict(self._sql.run(lock_windows(len(wanted)), **wanted)) if wanted else {}
        return [window_of(key, timestamps[key]) for key in keys]

    def save(self, windows: Iterable[SlidingWindow], expires_at: float) -> None:
        rows = []
        for window in windows:
            self._locked.require("rate_limits", window.key)
            rows.append({"key": window.key, "timestamps": _json(window), "expires_at": expires_at})
        if rows:
            self._sql.run(upsert_rows(rate_limits, len(rows)), **numbered(rows))


def _json(window: SlidingWindow) -> str:
    """A list of timestamps; one that represents several hits is a pair with their number."""
    merged = len(window.counts)
    return json.encode([*zip(window.timestamps[:merged], window.counts, strict=True), *window.timestamps[merged:]]).decode()


def window_of(key: str, text: str) -> SlidingWindow:
    hits = json.decode(text)
    counts = tuple(count for _, count in takewhile(lambda hit: isinstance(hit, list), hits))
    return SlidingWindow(key, (*(timestamp for timestamp, _ in hits[: len(counts)]), *hits[len(counts) :]), counts)
