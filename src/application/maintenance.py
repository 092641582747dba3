"""Use cases of the operator: deactivating accounts, purging old rows, rotating keys, sweeping unreferenced images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ..domain.account import Account, Address
from ..domain.errors import ClockAhead, NoSuchAccount
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.rate_limits import DAY
from ..domain.session import SessionLifetime
from .audit import record
from .deletion import DeleteDueAccounts
from .operators import PROGRAM, Operator, Operators, lock_keeping_a_superuser
from .ownership import revoke_codes_of_added_addresses
from .ports import AuditQuery, Clock, Database, Identifiers, KeyRotation, Storage
from .retry import retry_on_conflict
from .validation import Validator

BATCH = 500
CURSOR_NAME = "vestibule-purge"
"""The name of the cursor whose `moved_at` is the time of the last purge."""

MAX_CLOCK_STEP = 2 * DAY
_UPLOAD_SECONDS = 3600.0
"""Longer than any upload takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetActive:
    """Deactivates an account, which revokes its sessions and open codes, or activates it again; either ends a suspension.

    `identifier` is a username, an email or a mobile. Raises `NoSuchAccount`, `LastSuperuser`, `Unavailable`, and the refusals
    of an operator who is a person, as `SuspendAccount` does.
    """

    database: Database
    identifiers: Identifiers
    operators: Operators
    clock: Clock

    @retry_on_conflict
    def __call__(
        self,
        *,
        identifier: str,
        active: bool,
        operator: Operator = PROGRAM,
        reason: str | None = None,
        current_password: str | None = None,
        caller: Caller = TRUSTED_CALLER,
    ) -> Account:
        action = self.operators.admit_change(operator, self, Validator(), reason, current_password, caller)
        unlocked = self.database.accounts.by_login(self.identifiers.login(identifier))
        if unlocked is None:
            raise NoSuchAccount
        with self.database.begin() as tx:
            if changes := unlocked.is_active is not active:
                tx.challenges.revoke(_addresses(unlocked))  # before the account is locked: the order of locks
            account = tx.accounts.lock(unlocked.id) if active else lock_keeping_a_superuser(tx, unlocked)
            now = self.clock()
            if account is None or (account.is_active is active and account.suspension is None):
                return unlocked
            self.operators.check_target(tx, operator, self, account)
            after = replace(account, is_active=active, suspension=None)
            tx.accounts.save(after)
            tx.sessions.revoke_all(account.id, now)
            revoke_codes_of_added_addresses(tx, _addresses(account), _addresses(unlocked) if changes else ())
            event = EventType.ACTIVATED if active else EventType.DEACTIVATED
            action.record(tx, event, now, account)
        return after


def _addresses(account: Account) -> tuple[Address, ...]:
    return (*account.addresses, *(kept.address for kept in account.recovery_addresses))


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """Deletes accounts whose deletion is due, and rows whose time of retention is over; returns the number of both.

    Lifts suspensions that are over.

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
        self._lift_suspensions(now)
        while batch := self.database.purge(now, limit=BATCH, session_lifetime=self.session_lifetime.longest):
            deleted += batch
        return deleted

    def _lift_suspensions(self, now: float) -> None:
        after = 0
        while batch := self.database.accounts.due_for_reinstatement(now, after=after, limit=BATCH):
            for account_id in batch:
                self._lift(account_id, now)
            after = batch[-1]

    def _lift(self, account_id: int, now: float) -> None:
        with self.database.begin() as tx:
            account = tx.accounts.lock(account_id)
            if account is not None and not account.is_active and account.may_log_in(now):
                tx.accounts.save(account.reinstated())
                record(tx, EventType.SUSPENSION_LIFTED, now, TRUSTED_CALLER, account_id=account.id)

    def last_seen(self) -> float | None:
        """The time of the last purge, or of the newest event if there was none; None if there is no event either."""
        return _last_seen(self.database)


def _last_seen(database: Database) -> float | None:
    if moved_at := database.cursors.get(CURSOR_NAME).moved_at:
        return moved_at
    newest = AuditQuery(after=database.audit_log.last_position() - 1)
    return next((event.occurred_at for _, event in database.audit_log.find(newest, limit=1)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateKeys:
    """Adds the next key of each kind that is due, by its age or by a change of the algorithm; returns a text for each change.

    Nothing is due by its age while the clock is more than two days ahead of the last purge: it may be wrong. Does nothing with
    `key_rotation` None: where the keys are not Vestibule's, or servers may have copies of them. Raises `Unavailable`.
    """

    database: Database
    clock: Clock
    key_rotation: KeyRotation | None

    def __call__(self) -> Sequence[str]:
        if self.key_rotation is None:
            return ()
        now, last = self.clock(), _last_seen(self.database)
        changes = self.key_rotation.rotate_due(by_age=last is not None and now - last <= MAX_CLOCK_STEP)
        if changes:
            with self.database.begin() as tx:
                for change in changes:
                    record(tx, EventType.KEYS_CHANGED, now, TRUSTED_CALLER, detail=change)
        return changes


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
