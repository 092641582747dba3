"""Notifications of account owners, put into the outbox in the transaction of the event."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from ..domain.account import Account, Address, AddressKind
from ..domain.events import Caller, EventType
from ..domain.rate_limits import DAY, Limits, RateLimit
from . import rate_limits
from .ports import Channel, Clock, Codes, Devices, Message, NewId, Transaction
from .rate_limits import Counter
from .send_quota import SendQuota


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
    ACCOUNT_SUSPENDED = "account_suspended"
    ACCOUNT_REINSTATED = "account_reinstated"


POLICY = "notices"

ADDRESS_CHANGES = {
    AddressKind.EMAIL: (EventType.EMAIL_CHANGED, Notice.EMAIL_CHANGED),
    AddressKind.MOBILE: (EventType.MOBILE_CHANGED, Notice.MOBILE_CHANGED),
}
"""The event and the notice of a change of each kind of address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Puts notifications into the outbox, within the limits of an address, of an account, and of the whole service."""

    codes: Codes
    new_id: NewId
    devices: Devices
    clock: Clock
    limits: Limits
    send_quota: SendQuota | None = None

    def __call__(
        self,
        tx: Transaction,
        notice: Notice,
        account: Account,
        now: float,
        caller: Caller,
        *,
        to: Address | None = None,
        **values: str,
    ) -> None:
        """Notifies `to`, or else a verified address of the account, or else its recovery address.

        Sends nothing if there is none, or beyond a limit of the address or of the account. Beyond an hourly total a verified
        address is notified later, which is not counted in the totals: codes must not wait for it. Another one is not notified.

        The message names the time, and to a verified address the device and the network of the caller. This takes the last lock
        of a transaction: windows of notifications are at the end of the lock order.
        """
        address = to or verified_address(account)
        if address is None:
            return
        totals = self.send_quota.of_notice(address.kind, caller.ip_address) if self.send_quota else []
        counters = rate_limits.lock(tx.rate_limits, [*totals, *self._counters(notice, account, address)], self.clock)
        late = counters.refusal()
        if counters.refusal(POLICY) or (late and not account.has_verified(address)):
            return
        counters.hit(leaving_out=[total.key for total in totals] if late else ()).save(tx.rate_limits)
        about_caller = {}
        if account.has_verified(address):  # the readers of others may be strangers
            about_caller = {"device": self.devices.name(caller.user_agent), "network": caller.ip_address}
        tx.outbox.add(
            Message(
                id=self.new_id(),
                channel=Channel(address.kind),
                recipient=address.recipient,
                template="notice",
                values={
                    "what": notice.value,
                    "at": f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M} UTC",
                    **{name: value for name, value in about_caller.items() if value is not None},
                    **values,
                },
                not_before=now + late.retry_after if late else now,
                expires_at=now + DAY,
                account_id=account.id,
            )
        )

    def _counters(self, notice: Notice, account: Account, address: Address) -> list[Counter]:
        """The counters of the address and the account; new logins have half of an address at most, for a thief causes many."""
        digest = self.codes.keyed_digest(address.key)
        counters = [
            Counter(f"notices:{digest}", self.limits.notices_per_address, POLICY),
            Counter(f"notices-of:{account.id}", self.limits.notices_per_account, POLICY),
        ]
        if notice is Notice.NEW_LOGIN:
            half = tuple(RateLimit(max(1, limit.count // 2), limit.seconds) for limit in self.limits.notices_per_address)
            counters.append(Counter(f"login-notices:{digest}", half, POLICY))
        return counters


def verified_address(account: Account) -> Address | None:
    """A verified address, an email before a mobile; without one, an address that recovers the account."""
    verified = [address for address in account.addresses if account.has_verified(address)]
    recovery = sorted((kept.address for kept in account.recovery_addresses), key=lambda address: address.kind)
    return next(iter([*verified, *recovery]), None)
