"""What whoever runs the service does with accounts."""

from dataclasses import dataclass, replace

from ..domain.account import Account
from ..domain.errors import NoSuchAccount
from ..domain.events import VOUCHED, Caller, Event, What
from .ports import Clock, Database, Identifiers
from .retry import once_more


@dataclass(frozen=True, slots=True, kw_only=True)
class SetActive:
    """Deactivates an account, which ends its sessions and open codes, or activates it again.

    `who` is a username, an email or a mobile. Raises `NoSuchAccount`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    clock: Clock

    @once_more
    def __call__(self, *, who: str, active: bool, caller: Caller = VOUCHED) -> Account:
        meant = self.database.accounts.meant_by(self.identifiers.login(who))
        if meant is None:
            raise NoSuchAccount
        with self.database.begin() as tx:
            account = tx.accounts.claim(meant.id)
            now = self.clock()
            if account is None or account.is_active is active:
                return meant
            after = replace(account, is_active=active)
            tx.accounts.save(after)
            tx.sessions.end_all(account.id, now)
            tx.challenges.end(account.addresses)
            what = What.ACTIVATED if active else What.DEACTIVATED
            tx.journal.add(Event(what=what, at=now, account_id=account.id, caller=caller))
        return after
