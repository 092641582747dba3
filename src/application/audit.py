"""What several use cases write into the journal alike."""

from ..domain.account import Account
from ..domain.events import Caller, Event, What
from .ports import Transaction


def write_proven(
    tx: Transaction, before: Account | None, after: Account, now: float, caller: Caller, *, session_id: str | None = None
) -> None:
    """Each address of the account that it had not proven before; `session_id` is of whoever holds the account."""
    for address in after.addresses:
        if after.has_proven(address) and not (before and before.has_proven(address)):
            event = Event(
                what=What.ADDRESS_PROVEN,
                at=now,
                account_id=after.id,
                session_id=session_id,
                caller=caller,
                note=address.kind,
            )
            tx.journal.add(event)
