"""Where accounts are kept: a database that outlives the process."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Self

from ...application.ports import Clock
from ...domain.account import Account
from ...domain.errors import Unavailable
from .accounts import ACCOUNTS, AccountsTable, SqlAccounts, SqlClaimedAccounts
from .codes import SqlChallenges
from .cursors import SqlCursorReads, SqlCursors
from .journal import SqlJournal, SqlJournalReads
from .keys import SqlKeys
from .locked_rows import Claims
from .migration import HEAD, VERSION
from .outbox import Backlog, SqlOutbox, SqlOutboxReads, backlog
from .proofs import SqlProofs
from .rate_limits import SqlTallies, SqlTallyReads
from .retention import purge
from .sessions import SqlSessionReads, SqlSessions
from .sql import Connections, Unit
from .sqlite import Sqlite
from .urls import driver_wanted, is_postgres, path_of


class SqlTransaction:
    """One unit of work over one open transaction."""

    def __init__(self, unit: Unit, accounts: AccountsTable) -> None:
        claims = Claims()
        self.accounts = SqlClaimedAccounts(unit, claims, accounts)
        self.challenges = SqlChallenges(unit, claims)
        self.proofs = SqlProofs(unit)
        self.sessions = SqlSessions(unit, claims, accounts)
        self.rate_limits = SqlTallies(unit, claims)
        self.outbox = SqlOutbox(unit)
        self.audit_log = SqlJournal(unit)
        self.cursors = SqlCursors(unit, claims)

    def lock_identity(self, account_id: int, session_id: str, clock: Clock) -> Account | None:
        return self.accounts.lock_with_session(account_id, session_id, clock)


class SqlDatabase:
    """The database at `url`, which `migrate` has prepared: `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://…`.

    Raises `ValueError` for other URLs, and `ImportError` where the driver is not installed; touches nothing until it is asked.
    `on_message` is called after each commit that put something into the outbox, and `on_event` after each that wrote into the
    journal, in the thread that committed. A transaction waits up to `most_wait` seconds to begin: 5 on SQLite, which has one
    writer, and else 1. `blocks` tells whether a question may wait for another machine, and so does not belong in an event loop.
    Accounts may be in a table of one's own, in the same database.
    """

    def __init__(
        self,
        url: str,
        on_message: Callable[[], None] | None = None,
        *,
        on_event: Callable[[], None] | None = None,
        most_wait: float | None = None,
        accounts: AccountsTable = ACCOUNTS,
    ) -> None:
        self.blocks = is_postgres(url)
        self._sql = _connections(url, most_wait)
        self._on_message = on_message
        self._on_event = on_event
        self._table = accounts
        self.accounts = SqlAccounts(self._sql.ask, accounts)
        self.sessions = SqlSessionReads(self._sql.ask)
        self.rate_limits = SqlTallyReads(self._sql.ask)
        self.outbox = SqlOutboxReads(self._sql.ask)
        self.audit_log = SqlJournalReads(self._sql.ask, in_order=not self.blocks)
        self.cursors = SqlCursorReads(self._sql.ask)
        self.keys = SqlKeys(self._sql)

    @contextmanager
    def begin(self) -> Iterator[SqlTransaction]:
        def tell() -> None:
            if transaction.outbox.has_new and self._on_message is not None:
                self._on_message()
            if transaction.audit_log.has_new and self._on_event is not None:
                self._on_event()

        with self._sql.begin(tell) as unit:
            transaction = SqlTransaction(unit, self._table)
            yield transaction

    def together(self) -> AbstractContextManager[object]:
        """A block whose transactions, those that this thread begins, are committed together when it is left, on SQLite, where a
        commit is most of what they cost, and else each by itself. Nobody is to be told what came of them before; leaving raises
        `Unavailable` where they were not stored.
        """
        return self._sql.together()

    def check(self) -> None:
        """A newer schema will do: migrations leave the program before them running while its servers are replaced."""
        present = self._sql.ask(VERSION)
        if not present or present[0][0] < HEAD:
            raise Unavailable

    def purge(self, now: float, *, limit: int) -> int:
        """Deletes what is too old to be of use, up to `most` rows of each table; answers how many. Call it until it is 0."""
        with self._sql.begin() as unit:
            return purge(unit, now, limit)

    def connections(self) -> tuple[int, int] | None:
        """How many connections are in use, and how many are idle; None where they are not counted, as on SQLite."""
        return self._sql.connections()

    def backlog(self, now: float) -> Sequence[Backlog]:
        """What waits in the outbox, kind by kind."""
        return backlog(self._sql.ask, now)

    def close(self) -> None:
        """Waits for an open transaction. What is asked afterwards is refused as `Unavailable`."""
        self._sql.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _connections(url: str, most_wait: float | None) -> Connections:
    given = {} if most_wait is None else {"most_wait": most_wait}
    if not is_postgres(url):
        return Sqlite(path_of(url), **given)
    with driver_wanted():
        from .postgres import Postgres  # noqa: PLC0415 — its driver is an extra, and takes 0.1 s to load
    return Postgres(url, **given)
