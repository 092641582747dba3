"""Who writes to SQLite: one at a time, and durable together.

Making a commit durable takes longer than what most transactions do. So one that ends while others wait for their turn is not
committed at once: the next goes on where it ended, and the last of them commits for all. Each is answered after that commit and
not before, so that what was acknowledged is on the disk; if it fails, it has failed for all of them.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from threading import Event, get_ident
from time import monotonic

from ...domain.errors import Unavailable
from .sql import Texts
from .sqlite_unit import SqliteUnit, begin_alone, execute
from .turns import Turns

_LOOK_EVERY = 1.0
_UNDO = ("ROLLBACK TO part", "RELEASE part")


class Group:
    """Transactions that are committed together, once, over one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.size = 0
        """How many of them are to be kept."""
        self.fault: BaseException | None = None
        """Why nothing of it was stored."""
        self.is_open = False
        """Whether that cannot be known."""
        self.is_over = Event()

    @property
    def is_lost(self) -> bool:
        """Whether nothing can be added to it: none of it is to be kept, or SQLite has undone it by itself."""
        return self.fault is not None or not self.connection.in_transaction


class Stay:
    """Somebody's turn to write: from the first of their transactions to the end of a block around them."""

    def __init__(self, *, is_writing: bool = False) -> None:
        self.is_writing = is_writing
        self.until: float | None = None
        """When to give up waiting to write: one moment for all who wait in a row. None when there is nothing to wait for."""
        self.has_turn = False
        self.group: Group | None = None
        """What their transactions are part of."""
        self.afterwards: list[Callable[[], None]] = []
        """What is to be called when they are on the disk."""


class Writer:
    """The connection that writes; where there is none `connect` makes it, until a moment. Safe in any thread.

    `look` says by `Unavailable` that nothing is to be written: before each transaction, and before each commit.
    """

    def __init__(
        self, connect: Callable[[float], sqlite3.Connection], look: Callable[[], None], texts: Texts, most_wait: float
    ) -> None:
        self._connect = connect
        self._look = look
        self._texts = texts
        self._most_wait = most_wait
        self._turns = Turns()
        self._connection: sqlite3.Connection | None = None
        self._group: Group | None = None
        self._stays: dict[int, Stay] = {}

    def together(self) -> AbstractContextManager[object]:
        """Transactions that this thread begins within the block are committed together, when it is left.

        Leaving it raises `Unavailable` where nothing of them was stored.
        """
        return self._staying(Stay())

    @contextmanager
    def _staying(self, stay: Stay) -> Iterator[Stay]:
        thread = get_ident()
        if thread in self._stays:
            raise RuntimeError("This thread commits together already.")
        self._stays[thread] = stay
        try:
            yield stay
        finally:
            del self._stays[thread]
            if stay.has_turn:
                self._end_turn()
            if stay.group is not None:
                self._await(stay.group)
            for call in stay.afterwards:
                call()

    @contextmanager
    def begin(self, then: Callable[[], None]) -> Iterator[SqliteUnit]:
        """A transaction with the write lock; `then` is called when it was committed."""
        stay = self._stays.get(get_ident())
        if stay is None:
            # Is writing from the start: one that an interrupt left open shall be joined by nobody, as it is never committed.
            with self._staying(Stay(is_writing=True)) as alone, self._joined(alone, then) as unit:
                yield unit
        elif stay.is_writing:
            raise RuntimeError("A transaction is open in this thread already.")
        else:
            stay.is_writing = True
            try:
                with self._joined(stay, then) as unit:
                    yield unit
            finally:
                stay.is_writing = False

    @contextmanager
    def _joined(self, stay: Stay, then: Callable[[], None]) -> Iterator[SqliteUnit]:
        with self._part(self._group_for(stay)) as unit:
            yield unit
        stay.afterwards.append(then)

    def _group_for(self, stay: Stay) -> Group:
        if stay.until is None:
            stay.until = monotonic() + self._most_wait
        if not stay.has_turn:
            if not self._turns.take(max(0.0, stay.until - monotonic())):
                raise Unavailable
            stay.has_turn = True
        self._look()
        group = stay.group = self._group or self._begun(stay.until)
        if group.is_lost:
            raise Unavailable
        stay.until = None
        return group

    def close(self) -> None:
        """Waits for an open transaction."""
        while not self._turns.take(self._most_wait):
            pass
        if self._group is not None:
            self._conclude(self._group)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        self._turns.leave()

    def _begun(self, deadline: float) -> Group:
        if self._connection is None:
            self._connection = self._connect(deadline)
        if self._connection.in_transaction:  # an interrupt came between its beginning and its being a group
            execute(self._connection, "ROLLBACK", {})
        begin_alone(self._connection, deadline)
        self._group = Group(self._connection)
        return self._group

    @contextmanager
    def _part(self, group: Group) -> Iterator[SqliteUnit]:
        """One transaction of the group, undone alone where it fails."""
        unit = SqliteUnit(group.connection, self._texts)
        is_first = group.size == 0
        begin, keep, undo = ((), (), ("ROLLBACK",)) if is_first else (("SAVEPOINT part",), ("RELEASE part",), _UNDO)
        try:
            _say(group, *begin)
            yield unit
            _say(group, *keep)
            group.size += 1
        except BaseException:
            try:
                _say(group, *undo)
            except BaseException as fault:  # half of it may be there yet, so that none of the group is to be kept
                group.fault = fault
                if not isinstance(fault, Unavailable):
                    raise
            else:
                if is_first:
                    self._clear(group)
            raise
        finally:
            unit.end()

    def _end_turn(self) -> None:
        """Whoever waits goes on in the same group. Where nobody does, or there is none to go on in, it ends here."""
        group = self._group
        if group is not None:
            if not group.is_lost and self._turns.hand_on():
                return
            try:
                self._conclude(group)
            finally:
                self._turns.leave()
        else:
            self._turns.leave()

    def _conclude(self, group: Group) -> None:
        """Commits what is to be kept. The next one gets another connection where this one cannot even roll back."""
        try:
            if group.size and group.fault is None:
                self._look()
                group.connection.execute("COMMIT")  # refused, too, where the database has undone all, as with a full disk
        except (sqlite3.Error, Unavailable) as error:
            group.fault = error
        except BaseException:  # Ctrl-C, which shall not have the others wait for ever
            group.fault, group.is_open = Unavailable(), True
            raise
        finally:
            self._clear(group)

    def _clear(self, group: Group) -> None:
        try:
            if group.connection.in_transaction:
                group.connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._connection = None
            with suppress(sqlite3.Error):
                group.connection.close()
        self._group = None
        group.is_over.set()

    def _await(self, group: Group) -> None:
        """Until it is on the disk. Raises `Unavailable` where it is not. Looks after a turn that was lost to an interrupt."""
        while not group.is_over.wait(_LOOK_EVERY):
            if self._turns.take(0):
                self._end_turn()
        if group.fault is not None:
            raise Unavailable(is_open=group.is_open) from group.fault


def _say(group: Group, *commands: str) -> None:
    for command in commands:
        execute(group.connection, command, {})
