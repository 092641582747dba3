"""Telling an account's owner what happened to it, by the outbox and in the transaction of what happened."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from ..domain.account import Account, Address, Kind
from ..domain.limits import NOTICES
from .ports import Message, NewId, Transaction

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
    """Puts notices into the outbox: ten a day for an account, so that nobody can be flooded by what others do."""

    new_id: NewId

    def __call__(self, tx: Transaction, what: Notice, account: Account, now: float, *, to: Address | None = None) -> None:
        """To `to`, or where the owner is reached best; to nobody where the account has no address.

        The last claim of a transaction: counters of notices come after all else in the order of locks.
        """
        address = to or reached_at(account)
        if address is None:
            return
        (tally,) = tx.tallies.claim([f"notices:{account.id}"])
        if tally.wait(NOTICES, now):
            return
        tx.tallies.save([tally.add(NOTICES, now)], now + DAY)
        tx.outbox.add(
            Message(
                id=self.new_id(),
                kind=address.kind,
                sent_to=address.text if address.kind is Kind.EMAIL else address.key,
                template="notice",
                values={"what": what.value, "at": f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M} UTC"},
                not_before=now,
                expires_at=now + DAY,
            )
        )


def reached_at(account: Account) -> Address | None:
    """A proven address rather than another, an email rather than a mobile."""
    known = sorted(account.addresses, key=lambda one: (not account.has_proven(one), one.kind is Kind.MOBILE))
    return known[0] if known else None
