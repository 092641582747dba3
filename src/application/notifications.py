"""Telling an account's owner what happened to it, by the outbox and in the transaction of what happened."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from ..domain.account import Account, Address, AddressKind
from ..domain.rate_limits import NOTICES
from .ports import Channel, Codes, Message, NewId, Transaction

DAY = 86_400.0


class Notice(StrEnum):
    """What an owner is told of; the templates word it."""

    PASSWORD_CHANGED = "password_changed"  # noqa: S105 — the name of a notice
    EMAIL_CHANGED = "email_changed"
    MOBILE_CHANGED = "mobile_changed"
    NEW_SIGN_IN = "new_sign_in"
    REFRESH_REUSED = "refresh_reused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Puts notices into the outbox: ten a day to an address, whatever is done with how many accounts.

    An SMS goes to a proven mobile alone, for anybody can register numbers that cost money to reach.
    """

    codes: Codes
    new_id: NewId

    def __call__(self, tx: Transaction, what: Notice, account: Account, now: float, *, to: Address | None = None) -> None:
        """To `to`, or where the owner is reached best; to nobody where neither may be written to.

        The last claim of a transaction: counters of notices come after all else in the order of locks.
        """
        address = to if to and _may_be_told(account, to) else reached_at(account)
        if address is None:
            return
        (tally,) = tx.rate_limits.lock([f"notices:{self.codes.keyed_digest(f'{address.kind}:{address.canonical}')}"])
        if tally.retry_after(NOTICES, now):
            return
        tx.rate_limits.save([tally.hit(NOTICES, now)], now + DAY)
        tx.outbox.add(
            Message(
                id=self.new_id(),
                channel=Channel(address.kind),
                recipient=address.text if address.kind is AddressKind.EMAIL else address.canonical,
                template="notice",
                values={"what": what.value, "at": f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M} UTC"},
                not_before=now,
                expires_at=now + DAY,
            )
        )


def reached_at(account: Account) -> Address | None:
    """A proven address rather than another, an email rather than a mobile."""
    known = [address for address in account.addresses if _may_be_told(account, address)]
    return min(known, key=lambda one: (not account.has_verified(one), one.kind is AddressKind.MOBILE), default=None)


def _may_be_told(account: Account, address: Address) -> bool:
    return address.kind is AddressKind.EMAIL or account.has_verified(address)
