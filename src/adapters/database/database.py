"""The SQL database: the port `Database` over SQLite or PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sqlalchemy import select

from ... import forks
from ...domain.errors import Unavailable
from ...domain.session import DEFAULT_LIFETIME
from ..database_urls import is_postgres, path_of, require_driver
from .accounts import SqlAccountReads, SqlAccounts
from .audit_log import SqlAuditLog, SqlAuditLogReads, SqlCursorReads, SqlCursors
from .codes import SqlChallenges, SqlProofs
from .imports import SqlImportReads, SqlImports
from .invitations import SqlInvitationReads, SqlInvitations
from .keys import SqlKeys
from .locked_rows import LockedRows
from .migration import HEAD, VERSION
from .mobile_region import MobileRegion
from .outbox import SqlOutbox, SqlOutboxReads
from .rate_limits import SqlSlidingWindowReads, SqlSlidingWindows
from .records import SqlAccountRecords
from .restoration import end_sessions_and_codes
from .retention import purge
from .schema import accounts
from .sessions import SqlSessionReads, SqlSessions
from .sql import ConnectionPool, OpenTransaction
from .sqlite import Sqlite

if TYPE_CHECKING:
    cached_property = property  # pyright takes no cached property for one of a protocol
else:
    from functools import cached_property

_ANY_ACCOUNT = select(accounts.c.id).limit(1)


@forks.watch_cached_properties
class SqlTransaction:
    """One unit of work. Its parts are built on first use: a use case needs three to five of them."""

    def __init__(self, sql: OpenTransaction, region: MobileRegion | None = None) -> None:
        self._sql = sql
        self._region = region
        self._locked = LockedRows()
        self.changed: set[str] = set()
        """Which of "outbox" and "audit_log" got new rows, and "mobile_region" if that was found or kept."""

    @cached_property
    def accounts(self) -> SqlAccounts:
        return SqlAccounts(self._sql, self._locked, self._keep_region)

    def _keep_region(self) -> None:
        if self._region is not None and not self._region.is_kept and "mobile_region" not in self.changed:
            self._region.keep(self._sql)
            self.changed.add("mobile_region")

    @cached_property
    def challenges(self) -> SqlChallenges:
        return SqlChallenges(self._sql, self._locked)

    @cached_property
    def proofs(self) -> SqlProofs:
        return SqlProofs(self._sql)

    @cached_property
    def invitations(self) -> SqlInvitations:
        return SqlInvitations(self._sql)

    @cached_property
    def sessions(self) -> SqlSessions:
        return SqlSessions(self._sql, self._locked)

    @cached_property
    def rate_limits(self) -> SqlSlidingWindows:
        return SqlSlidingWindows(self._sql, self._locked)

    @cached_property
    def outbox(self) -> SqlOutbox:
        return SqlOutbox(self._sql, partial(self.changed.add, "outbox"))

    @cached_property
    def audit_log(self) -> SqlAuditLog:
        return SqlAuditLog(self._sql, partial(self.changed.add, "audit_log"))

    @cached_property
    def cursors(self) -> SqlCursors:
        return SqlCursors(self._sql, self._locked)

    @cached_property
    def imports(self) -> SqlImports:
        return SqlImports(self._sql)


class SqlDatabase:
    """The migrated database at a URL: `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://…`.

    Raises `ValueError` for other URLs and `ImportError` if the driver is not installed; connects on first use.
    `on_message` is called after each commit that added to the outbox, `on_event` after each that added to the audit log,
    in the thread that committed. A transaction waits up to `max_wait` seconds to begin: 2 on SQLite, which has one writer,
    and 1 on PostgreSQL. `mobile_region` is the region that mobiles are read with, "" for none; by None it is neither kept nor
    compared. If `may_block` is true, a query may wait for another machine and must not run in an event loop.
    """

    def __init__(
        self,
        url: str | Sqlite,
        on_message: Callable[[], None] | None = None,
        *,
        on_event: Callable[[], None] | None = None,
        max_wait: float | None = None,
        mobile_region: str | None = None,
    ) -> None:
        self._sql = url if isinstance(url, Sqlite) else _pool(url, max_wait)
        self.may_block = not isinstance(self._sql, Sqlite)
        self._on_message = on_message
        self._on_event = on_event
        self.accounts = SqlAccountReads(self._sql.query)
        self.invitations = SqlInvitationReads(self._sql.query)
        self.sessions = SqlSessionReads(self._sql.query)
        self.rate_limits = SqlSlidingWindowReads(self._sql.query)
        self.outbox = SqlOutboxReads(self._sql.query)
        self.audit_log = SqlAuditLogReads(self._sql.query, in_order=not self.may_block)
        self.cursors = SqlCursorReads(self._sql.query)
        self.imports = SqlImportReads(self._sql.query)
        self.records = SqlAccountRecords(self._sql.query)
        self.keys = SqlKeys(self._sql)
        self._region = None if mobile_region is None else MobileRegion(self._sql.query, mobile_region)

    @contextmanager
    def begin(self) -> Iterator[SqlTransaction]:
        def on_commit() -> None:
            if "outbox" in transaction.changed and self._on_message is not None:
                self._on_message()
            if "audit_log" in transaction.changed and self._on_event is not None:
                self._on_event()
            if "mobile_region" in transaction.changed and self._region is not None:
                # On SQLite it is looked up for each mobile: `rekey` cannot see whether a server runs, and a look-up costs µs.
                self._region.is_kept = self.may_block

        with self._sql.begin(on_commit) as sql:
            transaction = SqlTransaction(sql, self._region)
            yield transaction

    def group_commit(self) -> AbstractContextManager[object]:
        """Commits once on SQLite, where that is most of a transaction's cost, and transaction by transaction on PostgreSQL."""
        return self._sql.group_commit()

    def check(self) -> None:
        """Accepts a newer schema: migrations keep the previous program running while its servers are replaced."""
        present = self._sql.query(VERSION)
        if not present or present[0][0] < HEAD:
            raise Unavailable

    def check_mobile_region(self) -> None:
        """Raises `OtherRegion`, a `ValueError`, if accounts have mobiles that were read with another region."""
        if self._region is not None:
            self._region.check()

    def purge(self, now: float, *, limit: int, session_lifetime: float = DEFAULT_LIFETIME.longest) -> int:
        """Deletes up to `limit` expired rows of each table; returns how many. Call it until it returns 0."""
        with self._sql.begin() as sql:
            return purge(sql, now, limit, session_lifetime)

    def end_sessions_and_codes(self, now: float) -> int:
        """Ends every session, code, proof and invitation, and returns the number of sessions; for the operator."""
        return end_sessions_and_codes(self._sql, now)

    def has_accounts(self) -> bool:
        return bool(self._sql.query(_ANY_ACCOUNT))

    def connections(self) -> tuple[int, int] | None:
        """The numbers of connections in use and idle; None on SQLite."""
        return self._sql.connections()

    def close(self) -> None:
        """Waits for open transactions; later calls raise `Unavailable`."""
        self._sql.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _pool(url: str, max_wait: float | None) -> ConnectionPool:
    options = {} if max_wait is None else {"max_wait": max_wait}
    if not is_postgres(url):
        return Sqlite(path_of(url), **options)
    require_driver()
    from .postgres import Postgres  # noqa: PLC0415 — its driver is an extra, and takes 0.1 s to load

    return Postgres(url, **options)
