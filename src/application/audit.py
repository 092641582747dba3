"""What several use cases write into the journal alike."""

from ..domain.account import Account
from ..domain.events import Caller, Event, EventType
from .ports import Transaction


def record_verified_addresses(
    tx: Transaction, before: Account | None, after: Account, now: float, caller: Caller, *, session_id: str | None = None
) -> None:
    """Each address of the account that it had not proven before; `session_id` is of whoever holds the account."""
    for address in after.addresses:
        if after.has_verified(address) and not (before and before.has_verified(address)):
            event = Event(
                type=EventType.ADDRESS_VERIFIED,
                occurred_at=now,
                account_id=after.id,
                session_id=session_id,
                caller=caller,
                detail=address.kind,
            )
            tx.audit_log.add(event)
