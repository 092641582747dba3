"""Where accounts are kept: a database that outlives the process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from ...domain.errors import Unavailable
from .accounts import SqlAccounts, SqlClaimedAccounts
from .challenges import SqlChallenges
from .claims import Claims
from .journal import SqlJournal, SqlJournalReads
from .migration import HEAD, VERSION, path_of
from .outbox import SqlOutbox
from .proofs import SqlProofs
from .retention import purge
from .sessions import SqlSessionReads, SqlSessions
from .sqlite import MOST_WAIT, Sqlite
from .statements import Unit
from .tallies import SqlTallies, SqlTallyReads


class SqlTransaction:
    """One unit of work over one open transaction."""

    def __init__(self, unit: Unit) -> None:
        claims = Claims()
        self.accounts = SqlClaimedAccounts(unit, claims)
        self.challenges = SqlChallenges(unit, claims)
        self.proofs = SqlProofs(unit)
        self.sessions = SqlSessions(unit, claims)
        self.tallies = SqlTallies(unit, claims)
        self.outbox = SqlOutbox(unit)
        self.journal = SqlJournal(unit)


class SqlDatabase:
    """The database at `url`, `sqlite:///relative.db` or `sqlite:////absolute.db`, which `migrate` has prepared.

    Raises `ValueError` for other URLs; touches nothing until it is asked. `on_message` is called after each commit that put
    something into the outbox, in the thread that committed. A transaction waits up to `most_wait` seconds to begin.
    """

    def __init__(self, url: str, on_message: Callable[[], None] | None = None, *, most_wait: float = MOST_WAIT) -> None:
        self._sql = Sqlite(path_of(url), most_wait)
        self._on_message = on_message
        self.accounts = SqlAccounts(self._sql.ask)
        self.sessions = SqlSessionReads(self._sql.ask)
        self.tallies = SqlTallyReads(self._sql.ask)
        self.journal = SqlJournalReads(self._sql.ask)

    @contextmanager
    def begin(self) -> Iterator[SqlTransaction]:
        with self._sql.begin() as unit:
            transaction = SqlTransaction(unit)
            yield transaction
        if transaction.outbox.has_new and self._on_message is not None:
            self._on_message()

    def check(self) -> None:
        if self._sql.ask(VERSION) != [(HEAD,)]:
            raise Unavailable

    def purge(self, now: float, *, most: int) -> int:
        """Deletes what is too old to be of use, up to `most` rows of each table; answers how many. Call it until it is 0."""
        with self._sql.begin() as unit:
            return purge(unit, now, most)

    def close(self) -> None:
        """Waits for an open transaction. What is asked afterwards is refused as `Unavailable`."""
        self._sql.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
