"""A database in memory: what the real one promises, but for outliving the process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, get_ident

from ...application.ports import Clock, Message
from ...domain.account import Account
from ...domain.errors import Unavailable
from ...domain.events import Event
from .memory_accounts import MemoryAccounts, MemoryClaimedAccounts
from .memory_codes import MemoryChallenges, MemoryProofs, MemoryTallies, MemoryTallyReads
from .memory_cursors import MemoryCursorReads, MemoryCursors
from .memory_journal import MemoryJournal, MemoryJournalReads
from .memory_outbox import MemoryOutbox, MemoryOutboxReads
from .memory_sessions import MemorySessionReads, MemorySessions
from .memory_state import State, Unit

_MOST_WAIT = 5.0


class MemoryTransaction:
    """Changes to a version of the rows that becomes everybody's when the transaction is committed."""

    def __init__(self, unit: Unit) -> None:
        self.accounts = MemoryClaimedAccounts(unit)
        self.challenges = MemoryChallenges(unit)
        self.proofs = MemoryProofs(unit)
        self.sessions = MemorySessions(unit)
        self.rate_limits = MemoryTallies(unit)
        self.outbox = MemoryOutbox(unit)
        self.audit_log = MemoryJournal(unit)
        self.cursors = MemoryCursors(unit)

    def lock_identity(self, account_id: int, session_id: str, clock: Clock) -> Account | None:
        account = self.accounts.by_active_session(account_id, session_id, clock())
        return account and self.accounts.lock(account.id)


class MemoryDatabase:
    """One transaction at a time; readers see what was committed last.

    `on_message` is called after each commit that put something into the outbox, and `on_event` after each that
    wrote into the journal.
    """

    blocks = False  # it waits for no other machine

    def __init__(self, on_message: Callable[[], None] | None = None, *, on_event: Callable[[], None] | None = None) -> None:
        self._on_message = on_message
        self._on_event = on_event
        self._committed = State()
        self._writing = Lock()
        self._writer: int | None = None
        self.accounts = MemoryAccounts(lambda: self._committed)
        self.sessions = MemorySessionReads(lambda: self._committed)
        self.rate_limits = MemoryTallyReads(lambda: self._committed)
        self.outbox = MemoryOutboxReads(lambda: self._committed)
        self.audit_log = MemoryJournalReads(lambda: self._committed)
        self.cursors = MemoryCursorReads(lambda: self._committed)

    @contextmanager
    def begin(self) -> Iterator[MemoryTransaction]:
        if self._writer == get_ident():
            raise RuntimeError("A transaction is open in this thread already.")
        if not self._writing.acquire(timeout=_MOST_WAIT):
            raise Unavailable
        self._writer = get_ident()
        unit = Unit(self._committed.copy())
        try:
            yield MemoryTransaction(unit)
            self._committed = unit.end()
        except BaseException:
            unit.end()
            raise
        finally:
            self._writer = None
            self._writing.release()
        if unit.has_messages and self._on_message is not None:
            self._on_message()
        if unit.has_events and self._on_event is not None:
            self._on_event()

    def check(self) -> None:
        """It always answers."""

    def purge(self, now: float, *, limit: int) -> int:  # noqa: ARG002 — the port's names
        """It keeps everything, for as long as the process lives."""
        return 0

    def close(self) -> None:
        """There is nothing to let go of."""

    @property
    def events(self) -> tuple[Event, ...]:
        """What the journal holds."""
        return tuple(self._committed.events)

    @property
    def messages(self) -> tuple[Message, ...]:
        """What waits in the outbox, in the order it was put there."""
        return tuple(row.message for row in self._committed.outbox.values() if not row.has_failed)

    @property
    def dead_letters(self) -> tuple[tuple[Message, str], ...]:
        """What was given up, each with the reason."""
        return tuple((row.message, row.failure_reason or "") for row in self._committed.outbox.values() if row.has_failed)
