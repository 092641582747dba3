"""Use cases of the operator: deactivating accounts, purging old rows, sweeping unreferenced images."""

from dataclasses import dataclass, replace

from ..domain.account import Account
from ..domain.errors import NoSuchAccount
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from .audit import record
from .code_checks import revoke_codes_of_added_addresses
from .ports import Clock, Database, Identifiers, Storage
from .retry import retry_on_conflict

BATCH = 500
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
                tx.challenges.revoke(unlocked.addresses)  # before the account is locked: the order of locks
            account = tx.accounts.lock(unlocked.id)
            now = self.clock()
            if account is None or account.is_active is active:
                return unlocked
            after = replace(account, is_active=active)
            tx.accounts.save(after)
            tx.sessions.revoke_all(account.id, now)
            revoke_codes_of_added_addresses(tx, account.addresses, unlocked.addresses if changes else ())
            event = EventType.ACTIVATED if active else EventType.DEACTIVATED
            record(tx, event, now, caller, account_id=account.id)
        return after


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """Deletes rows whose time of retention is over, in small batches, and returns how many.

    Codes and proofs go after a day, sessions 30 days after their latest possible end, permanently failed messages after a
    week, events after 400 days. Raises `Unavailable`.
    """

    database: Database
    clock: Clock

    def __call__(self) -> int:
        deleted = 0
        while batch := self.database.purge(self.clock(), limit=BATCH):
            deleted += batch
        return deleted


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
