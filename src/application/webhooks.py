"""Telling a webhook what happened: a message in the outbox, in the transaction of what happened."""

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from ..domain.account import Account
from ..domain.events import Event, EventType
from .ports import (
    Accounts,
    AuditLog,
    AuditLogReads,
    Challenges,
    Channel,
    CursorReads,
    Cursors,
    Database,
    LockedAccounts,
    Message,
    NewId,
    Outbox,
    OutboxReads,
    Proofs,
    SessionReads,
    Sessions,
    SlidingWindowReads,
    SlidingWindows,
    Transaction,
)

RECEIVER = "webhook"
"""To whom such a message goes. The URL may hold a token, and is not stored."""

KEPT_SECONDS = 30 * 86_400.0
"""How long a message that was given up can be tried again; the attempts end much sooner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnqueueWebhook:
    """Puts a message about each event of those kinds into the outbox, whoever it concerns.

    Not of some alone: else the time of an answer would tell whether there is an account. The payload follows Standard
    Webhooks, and holds no address of anybody: whoever is told may ask.
    """

    new_id: NewId
    kinds: Collection[EventType]

    def __call__(self, outbox: Outbox, event: Event) -> None:
        if event.type not in self.kinds:
            return
        kind = f"account.{event.type}"
        outbox.add(
            Message(
                id=self.new_id(),
                channel=Channel.WEBHOOK,
                recipient=RECEIVER,
                template=kind,
                values={"payload": _payload(kind, event)},
                not_before=event.occurred_at,
                expires_at=event.occurred_at + KEPT_SECONDS,
            )
        )


def _payload(kind: str, event: Event) -> str:
    at = datetime.fromtimestamp(event.occurred_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = {"account_id": event.account_id, "session_id": event.session_id, "note": event.detail or None}
    return json.dumps({"type": kind, "timestamp": at, "data": data}, separators=(",", ":"))


class AnnouncingJournal:
    """A journal of which a webhook is told."""

    def __init__(self, journal: AuditLog, tell: Callable[[Event], None]) -> None:
        self._journal = journal
        self._tell = tell

    def add(self, event: Event) -> None:
        self._journal.add(event)
        self._tell(event)


@dataclass(frozen=True, slots=True)
class AnnouncingTransaction:
    """A transaction with such a journal."""

    accounts: LockedAccounts
    challenges: Challenges
    proofs: Proofs
    sessions: Sessions
    rate_limits: SlidingWindows
    outbox: Outbox
    audit_log: AuditLog
    cursors: Cursors
    lock_identity: Callable[[int, str, float], Account | None]


class AnnouncingDatabase:
    """Any database, with such a journal in its transactions."""

    def __init__(self, database: Database, announce: EnqueueWebhook) -> None:
        self._database = database
        self._announce = announce
        self.accounts: Accounts = database.accounts
        self.sessions: SessionReads = database.sessions
        self.rate_limits: SlidingWindowReads = database.rate_limits
        self.outbox: OutboxReads = database.outbox
        self.audit_log: AuditLogReads = database.audit_log
        self.cursors: CursorReads = database.cursors

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        with self._database.begin() as tx:
            journal = AnnouncingJournal(tx.audit_log, lambda event: self._announce(tx.outbox, event))
            yield AnnouncingTransaction(
                tx.accounts,
                tx.challenges,
                tx.proofs,
                tx.sessions,
                tx.rate_limits,
                tx.outbox,
                journal,
                tx.cursors,
                tx.lock_identity,
            )

    def check(self) -> None:
        self._database.check()

    def purge(self, now: float, *, limit: int) -> int:
        return self._database.purge(now, limit=limit)
