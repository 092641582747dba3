"""The accounts that changed since a time, for another system that has to catch up."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..domain.account import Account
from ..domain.events import EventType
from .ports import AuditQuery, Database

BATCH = 500

_CHANGES = frozenset(
    {
        EventType.REGISTERED,
        EventType.ACCOUNT_CLAIMED,
        EventType.ACCOUNT_RECOVERED,
        EventType.ADDRESS_RELEASED,
        EventType.PASSWORD_CHANGED,
        EventType.PASSWORD_RESET,
        EventType.EMAIL_CHANGED,
        EventType.MOBILE_CHANGED,
        EventType.USERNAME_CHANGED,
        EventType.NAME_CHANGED,
        EventType.IMAGE_CHANGED,
        EventType.ACTIVATED,
        EventType.DEACTIVATED,
        EventType.SUSPENDED,
        EventType.REINSTATED,
        EventType.SUSPENSION_LIFTED,
        EventType.ROLES_CHANGED,
    }
)
"""Events after which an account is another one than before. Neither a login nor an import is among them."""

_ORDER_SECONDS = 3600.0
"""The time by which the order of events and that of their times may differ: clocks of nodes do, and transactions take time."""


@dataclass(frozen=True, slots=True)
class ChangedAccount:
    """An account as it is now; None if it was deleted. `has_new_roles` says whether its roles are among the changes."""

    id: int
    account: Account | None
    has_new_roles: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadChanges:
    """The accounts that were deleted since a time, then those that were made or changed since, each in the order of their ids.

    Without `since` every deletion on record, then all accounts with their roles. An import of an account is no change of it.
    The audit log tells what changed, so a time before its oldest event finds less. Raises `Unavailable`.
    """

    database: Database

    def __call__(self, *, since: float | None = None) -> Iterator[ChangedAccount]:
        if since is None:
            yield from (ChangedAccount(account_id, None) for account_id in sorted(self._deleted()))
            yield from self._all()
            return
        changed: dict[int, bool] = {}
        deleted = set()
        for event_type, account_id in self._events(since):
            if event_type is EventType.ACCOUNT_DELETED:
                deleted.add(account_id)
            elif event_type in _CHANGES:
                changed[account_id] = changed.get(account_id, False) or event_type is EventType.ROLES_CHANGED
        yield from (ChangedAccount(account_id, None) for account_id in sorted(deleted))
        yield from self._many(changed)

    def _all(self) -> Iterator[ChangedAccount]:
        after = 0
        while accounts := self.database.accounts.after(after, limit=BATCH):
            yield from (ChangedAccount(account.id, account, has_new_roles=True) for account in accounts)
            after = accounts[-1].id

    def _many(self, changed: dict[int, bool]) -> Iterator[ChangedAccount]:
        ids = sorted(changed)
        for start in range(0, len(ids), BATCH):
            for account in self.database.accounts.many(ids[start : start + BATCH]):
                yield ChangedAccount(account.id, account, has_new_roles=changed[account.id])

    def _deleted(self) -> set[int]:
        found = self._find(AuditQuery(type=EventType.ACCOUNT_DELETED))
        return {account_id for _, account_id in found}

    def _events(self, since: float) -> Iterator[tuple[EventType, int]]:
        return self._find(AuditQuery(since=since, after=self._position_before(since)))

    def _find(self, query: AuditQuery) -> Iterator[tuple[EventType, int]]:
        after = query.after
        while events := self.database.audit_log.find(replace(query, after=after), limit=BATCH):
            yield from ((event.type, event.account_id) for _, event in events if event.account_id is not None)
            after = events[-1][0]

    def _position_before(self, since: float) -> int:
        """A position that every event since then lies beyond, found without reading those before."""
        low, high = 0, self.database.audit_log.last_position()
        while low < high:
            middle = (low + high) // 2
            [(position, event), *_] = self.database.audit_log.find(AuditQuery(after=middle), limit=1)
            if event.occurred_at < since - _ORDER_SECONDS:
                low = position
            else:
                high = middle
        return low
