"""Use cases of the operator: deactivating accounts, purging old rows, sweeping unreferenced images."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ..domain.account import Account, Address
from ..domain.errors import ClockAhead, NoSuchAccount
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.rate_limits import DAY
from ..domain.session import SessionLifetime
from .audit import record
from .deletion import DeleteDueAccounts
from .ownership import revoke_codes_of_added_addresses
from .ports import AuditQuery, Clock, Database, Identifiers, Storage
from .retry import retry_on_conflict

BATCH = 500
CURSOR_NAME = "vestibule-purge"
"""The name of the cursor whose `moved_at` is the time of the last purge."""

MAX_CLOCK_STEP = 2 * DAY
_UPLOAD_SECONDS = 3600.0
"""Longer than any upload takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetActive:
    """Deactivates an account, which revokes its sessions and open codes, or activates it again.

    `identifier` is a username, an email or a mobile. Raises `NoSuchAccount`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    clock: Clock

    @retry_on_conflict
    def __call__(self, *, identifier: str, active: bool, caller: Caller = TRUSTED_CALLER) -> Account:
        unlocked = self.database.accounts.by_login(self.identifiers.login(identifier))
        if unlocked is None:
            raise NoSuchAccount
        with self.database.begin() as tx:
            if changes := unlocked.is_active is not active:
                tx.challenges.revoke(_addresses(unlocked))  # before the account is locked: the order of locks
            account = tx.accounts.lock(unlocked.id)
            now = self.clock()
            if account is None or account.is_active is active:
                return unlocked
            after = replace(account, is_active=active)
            tx.accounts.save(after)
            tx.sessions.revoke_all(account.id, now)
            revoke_codes_of_added_addresses(tx, _addresses(account), _addresses(unlocked) if changes else ())
            event = EventType.ACTIVATED if active else EventType.DEACTIVATED
            record(tx, event, now, caller, account_id=account.id)
        return after


def _addresses(account: Account) -> tuple[Address, ...]:
    return (*account.addresses, *(kept.address for kept in account.recovery_addresses))


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """Deletes accounts whose deletion is due, and rows whose time of retention is over; returns the number of both.

    Codes and proofs go after a day, sessions 30 days after their latest possible end, permanently failed messages after a
    week, events after 400 days. Raises `ClockAhead`, unless `clock_confirmed`, if the clock is more than two days ahead of
    `last_seen`: a machine that starts with a wrong clock would delete everything. Raises `Unavailable`.
    """

    database: Database
    clock: Clock
    delete_due_accounts: DeleteDueAccounts
    session_lifetime: SessionLifetime

    def __call__(self, *, clock_confirmed: bool = False) -> int:
        now, last = self.clock(), self.last_seen()
        if last is not None and now - last > MAX_CLOCK_STEP and not clock_confirmed:
            raise ClockAhead(f"The clock says {_day(now)}, and the last purge was on {_day(last)}: nothing was deleted.")
        with self.database.begin() as tx:
            tx.cursors.save(replace(tx.cursors.lock(CURSOR_NAME), moved_at=now))
        deleted = self.delete_due_accounts()
        while batch := self.database.purge(now, limit=BATCH, session_lifetime=self.session_lifetime.longest):
            deleted += batch
        return deleted

    def last_seen(self) -> float | None:
        """The time of the last purge, or of the newest event if there was none; None if there is no event either."""
        if moved_at := self.database.cursors.get(CURSOR_NAME).moved_at:
            return moved_at
        newest = AuditQuery(after=self.database.audit_log.last_position() - 1)
        return next((event.occurred_at for _, event in self.database.audit_log.find(newest, limit=1)), None)


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


@dataclass(frozen=True, slots=True)
class SweepReport:
    """The numbers of images older than an hour, of those that no account references, and of those that were deleted."""

    images: int
    unreferenced: int
    deleted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepImages:
    """Counts the images that no account references, and with `delete` deletes them.

    An upload that was killed halfway leaves one, and so does a storage that was down when an image was replaced. Images of
    the last hour do not count, because an upload may be about to reference them. The service never runs it by itself. It
    deletes nothing if all images are unreferenced: with the database of another installation they all are. Raises
    `Unavailable`; earlier deletions stay.
    """

    database: Database
    storage: Storage

    def __call__(self, *, delete: bool = False) -> SweepReport:
        # Before the accounts are read: an image stored by then is already referenced.
        unreferenced = set(self.storage.names(older_than=_UPLOAD_SECONDS))
        images, after = len(unreferenced), 0
        while batch := self.database.accounts.with_images(after, limit=BATCH):
            unreferenced.difference_update(name for _, name in batch)
            after = batch[-1][0]
        deleted = unreferenced if delete and len(unreferenced) < images else ()
        for name in deleted:
            self.storage.delete(name)
        return SweepReport(images, len(unreferenced), len(deleted))
