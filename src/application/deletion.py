"""Deletion of accounts: scheduled by the owner, carried out days later unless a login cancels it."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ..domain.account import Account, Address
from ..domain.errors import Unavailable
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from .audit import record
from .fresh_login import FreshLogin
from .notifications import Notice, Notices, verified_address
from .operators import require_another_superuser
from .ownership import opening_addresses, revoke_codes_of_added_addresses
from .ports import Clock, Database, Storage, Transaction
from .retry import retry_on_conflict
from .tokens import Identity
from .validation import Validator

BATCH = 500

_log = logging.getLogger("vestibule.deletion")


@dataclass(frozen=True, slots=True)
class ScheduledDeletion:
    """The time at which the account is deleted, or was, in seconds since the epoch."""

    deleted_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteDueAccounts:
    """Deletes the accounts whose time has come, and returns how many.

    Of an account goes everything: row, sessions, image, messages but the last notice, the invitations that it sent, and codes,
    proofs and invitations of its verified addresses. Its events keep type, time and account id, and lose session, caller and
    detail. One account that cannot be deleted is logged, and stays for the next time. Raises `Unavailable`; accounts that were
    deleted before stay so.
    """

    database: Database
    storage: Storage
    clock: Clock
    notices: Notices

    def __call__(self) -> int:
        deleted = after = 0
        while due := self.database.accounts.due_for_deletion(self.clock(), after=after, limit=BATCH):
            deleted += sum(self._delete_or_log(account) for account in due)
            after = due[-1].id
        return deleted

    def _delete_or_log(self, account: Account) -> bool:
        try:
            return self.delete(account)
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 — the other accounts must be deleted all the same
            _log.exception("account %d cannot be deleted now", account.id)
            return False

    def delete(self, account: Account, *, actor: str | None = None, reason: str | None = None) -> bool:
        """Returns False if a login has cancelled the deletion since `account` was read.

        An operator who removes it is the `actor` of the event.
        """
        after = 0
        while last := self._anonymise(account.id, after):  # in batches: there may be a hundred thousand events
            after = last
        deleted = self._delete(account, after, actor, reason)
        if deleted is not None and deleted.image is not None:
            try:
                self.storage.delete(deleted.image)
            except Exception as error:  # noqa: BLE001 — the account is deleted, whatever the storage does
                text = "the image of account %d, which is deleted, is left to `vestibule sweep-images` (%s)"
                _log.warning(text, deleted.id, type(error).__name__)
        return deleted is not None

    def _anonymise(self, account_id: int, after: int) -> int:
        with self.database.begin() as tx:
            return tx.audit_log.anonymise(account_id, after=after, limit=BATCH)

    @retry_on_conflict
    def _delete(self, account: Account, after: int, actor: str | None, reason: str | None) -> Account | None:
        with self.database.begin() as tx:
            tx.challenges.revoke(opening_addresses(account))  # before the account is locked: the order of locks
            locked, now = tx.accounts.lock(account.id), self.clock()
            if locked is None or locked.deletion_due_at is None or locked.deletion_due_at > now:
                return None
            addresses = opening_addresses(locked)
            revoke_codes_of_added_addresses(tx, addresses, opening_addresses(account))
            tx.proofs.delete_of(addresses)
            tx.sessions.delete_of(locked.id)
            tx.outbox.delete_of(locked.id, addresses)
            tx.accounts.delete(locked.id)
            tx.imports.forget(locked.id)
            while last := tx.audit_log.anonymise(locked.id, after=after, limit=BATCH):
                after = last
            event = EventType.ACCOUNT_DELETED
            record(tx, event, now, TRUSTED_CALLER, account_id=locked.id, actor=actor, reason=reason)
            for address in _addresses_to_tell(locked, now):
                self.notices(tx, Notice.ACCOUNT_DELETED, locked, now, TRUSTED_CALLER, to=address)
            tx.invitations.delete_of(locked.id, addresses)
        return locked


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAccount:
    """Ends all sessions and open codes of the caller's own account, and deletes it after `deletion_seconds`, or at once for 0.

    Wants a fresh login or `current_password`. The owner gets a notice with the time, at recovery addresses too; until then a
    login cancels the deletion. Raises `InvalidInput`, `LoginNotFresh`, `InvalidCredentials` and `RateLimited` for a wrong
    password, `InvalidToken` if the session was revoked meanwhile, `LastSuperuser`, `Overloaded`, `Unavailable`.
    """

    database: Database
    fresh_login: FreshLogin
    delete_due_accounts: DeleteDueAccounts
    clock: Clock
    notices: Notices
    deletion_seconds: float

    def __call__(
        self, *, identity: Identity, current_password: str | None = None, caller: Caller = TRUSTED_CALLER
    ) -> ScheduledDeletion:
        validator = Validator()
        password = validator.password("current_password", current_password, required=False)
        validator.raise_if_invalid()
        self.fresh_login.require(identity, password, caller)
        account, due_at = self._schedule(identity, caller)
        if not self.deletion_seconds:
            with suppress(Unavailable):  # then the next purge deletes it
                self.delete_due_accounts.delete(account)
        return ScheduledDeletion(due_at)

    @retry_on_conflict
    def _schedule(self, identity: Identity, caller: Caller) -> tuple[Account, float]:
        with self.database.begin() as tx:
            revoked = opening_addresses(identity.account)
            tx.challenges.revoke(revoked)  # before the account is locked: the order of locks
            require_another_superuser(tx, identity.account)
            account = identity.lock_account(tx, self.clock)
            now = self.clock()
            due_at = now + self.deletion_seconds
            after = replace(account, deletion_due_at=due_at)
            tx.accounts.save(after)
            tx.sessions.revoke_all(account.id, now)
            revoke_codes_of_added_addresses(tx, opening_addresses(account), revoked)
            session_id = identity.session_id
            record(tx, EventType.DELETION_SCHEDULED, now, caller, account_id=account.id, session_id=session_id)
            if self.deletion_seconds:
                self._notify(tx, account, now, due_at, caller)
        return after, due_at

    def _notify(self, tx: Transaction, account: Account, now: float, due_at: float, caller: Caller) -> None:
        until = f"{datetime.fromtimestamp(due_at, UTC):%Y-%m-%d %H:%M} UTC"
        for address in _addresses_to_tell(account, now):
            self.notices(tx, Notice.DELETION_SCHEDULED, account, now, caller, to=address, until=until)


def _addresses_to_tell(account: Account, now: float) -> Sequence[Address]:
    """A verified address, and those that can recover the account: a thief may have changed an address."""
    verified = verified_address(account)
    recovery = [one.address for one in account.recovery_addresses if one.expires_at is None or now < one.expires_at]
    return list(dict.fromkeys(([verified] if verified else []) + recovery))
