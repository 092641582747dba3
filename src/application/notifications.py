"""Notifications of account owners, put into the outbox in the transaction of the event."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from ..domain.account import Account, Address, AddressKind
from ..domain.rate_limits import DAY, NOTICES
from .ports import Channel, Codes, Message, NewId, Transaction


class Notice(StrEnum):
    """The kinds of notifications; the templates hold their texts."""

    PASSWORD_CHANGED = "password_changed"  # noqa: S105 — the name of a notice
    EMAIL_CHANGED = "email_changed"
    MOBILE_CHANGED = "mobile_changed"
    NEW_LOGIN = "new_login"
    REFRESH_REUSED = "refresh_reused"
    ACCOUNT_CLAIMED = "account_claimed"
    ADDRESS_DROPPED = "address_dropped"
    ADDRESS_RELEASED = "address_released"
    ACCOUNT_RECOVERED = "account_recovered"
    DELETION_SCHEDULED = "deletion_scheduled"
    DELETION_CANCELLED = "deletion_cancelled"
    ACCOUNT_DELETED = "account_deleted"
    PASSWORD_LOGINS_PAUSED = "password_logins_paused"  # noqa: S105 — the name of a notice
    EXPORT_MADE = "export_made"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Puts notifications into the outbox: at most ten a day to one address, over all accounts.

    An SMS goes to a verified mobile alone, because anyone can register numbers that cost money to reach.
    """

    codes: Codes
    new_id: NewId

    def __call__(self, tx: Transaction, notice: Notice, account: Account, now: float, *, to: Address | None = None) -> None:
        """Notifies `to`, or else the account's best address; sends nothing if neither may be notified.

        This takes the last lock of a transaction: windows of notifications are at the end of the lock order.
        """
        address = to if to and _may_notify(account, to) else best_address(account)
        if address is None:
            return
        (window,) = tx.rate_limits.lock([f"notices:{self.codes.keyed_digest(address.key)}"])
        if window.retry_after(NOTICES, now):
            return
        tx.rate_limits.save([window.with_hit(NOTICES, now)], now + DAY)
        tx.outbox.add(
            Message(
                id=self.new_id(),
                channel=Channel(address.kind),
                recipient=address.recipient,
                template="notice",
                values={"what": notice.value, "at": f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M} UTC"},
                not_before=now,
                expires_at=now + DAY,
            )
        )


def best_address(account: Account) -> Address | None:
    """A verified address before an unverified one, then an email before a mobile."""
    allowed = [address for address in account.addresses if _may_notify(account, address)]
    return min(allowed, key=lambda to: (not account.has_verified(to), to.kind is AddressKind.MOBILE), default=None)


def _may_notify(account: Account, address: Address) -> bool:
    return address.kind is AddressKind.EMAIL or account.has_verified(address)
