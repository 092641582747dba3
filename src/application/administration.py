"""What whoever runs the service does with accounts."""

from dataclasses import dataclass, replace

from ..domain.account import Account
from ..domain.errors import NoSuchAccount
from ..domain.events import TRUSTED_CALLER, Caller, Event, EventType
from .codes import revoke_remaining_codes
from .ports import Clock, Database, Identifiers
from .retry import retry_on_conflict


@dataclass(frozen=True, slots=True, kw_only=True)
class SetActive:
    """Deactivates an account, which ends its sessions and open codes, or activates it again.

    `who` is a username, an email or a mobile. Raises `NoSuchAccount`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    clock: Clock

    @retry_on_conflict
    def __call__(self, *, who: str, active: bool, caller: Caller = TRUSTED_CALLER) -> Account:
        known = self.database.accounts.by_login(self.identifiers.login(who))
        if known is None:
            raise NoSuchAccount
        with self.database.begin() as tx:
            if known.is_active is not active:
                tx.challenges.revoke(known.addresses)  # before the account is locked: the order of locks
            account = tx.accounts.lock(known.id)
            now = self.clock()
            if account is None or account.is_active is active:
                return known
            after = replace(account, is_active=active)
            tx.accounts.save(after)
            tx.sessions.end_all(account.id, now)
            revoke_remaining_codes(tx, account.addresses, known.addresses if known.is_active is not active else ())
            what = EventType.ACTIVATED if active else EventType.DEACTIVATED
            tx.audit_log.add(Event(type=what, occurred_at=now, account_id=account.id, caller=caller))
        return after
