"""Writing and reading the audit log."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..domain.account import Account
from ..domain.events import Caller, Event, EventType
from .ports import AuditQuery, Database, Transaction

BATCH = 500


def record(
    tx: Transaction,
    event: EventType,
    now: float,
    caller: Caller,
    *,
    account_id: int | None = None,
    session_id: str | None = None,
    detail: str = "",
    actor: str | None = None,
    reason: str | None = None,
) -> None:
    """Adds an event to the audit log of the transaction that it describes."""
    tx.audit_log.add(
        Event(
            type=event,
            occurred_at=now,
            account_id=account_id,
            session_id=session_id,
            caller=caller,
            detail=detail,
            actor=actor,
            reason=reason,
        )
    )


def record_verified_addresses(tx: Transaction, before: Account | None, after: Account, now: float, caller: Caller) -> None:
    """Records each address of the account that is verified now and was not before."""
    for address in after.addresses:
        if after.has_verified(address) and not (before and before.has_verified(address)):
            record(tx, EventType.ADDRESS_VERIFIED, now, caller, account_id=after.id, detail=address.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAuditLog:
    """The events that match the query, the oldest first, each with its position. Raises `Unavailable`."""

    database: Database

    def __call__(self, query: AuditQuery) -> Iterator[tuple[int, Event]]:
        after = query.after
        while events := self.database.audit_log.find(replace(query, after=after), limit=BATCH):
            yield from events
            after = events[-1][0]
