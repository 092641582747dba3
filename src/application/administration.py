"""Use cases of operators for the accounts of others: suspension, unlocking, signing out, editing, roles, resets, removal."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from ..domain.account import Account, Address, AddressKind, Suspension, Username
from ..domain.code import CodePurpose
from ..domain.errors import AlreadyTaken, ErrorCode, FieldError, InvalidInput, NoSuchAccount, Unavailable
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.ownership import verified
from ..domain.rate_limits import SlidingWindow
from ..domain.session import Session
from ..domain.texts import trimmed
from .account import LAST_VERIFIED, Changes, differences, loses_last_verified, or_same
from .account_limits import AccountLimits, LimitInForce
from .code_requests import CodeIssuer, Recipient
from .deletion import DeleteDueAccounts
from .notifications import ADDRESS_CHANGES, Notice, Notices
from .operators import Action, Operator, Operators, lock_keeping_a_superuser
from .ownership import AddressReleaser, opening_addresses, revoke_codes_of_added_addresses
from .ports import Clock, Database, Identifiers, InvalidText, Transaction
from .retry import retry_on_conflict
from .validation import MISSING, Missing, Validator

MAX_ROLES = 20
MAX_LOGINS = 20

_ROLE = re.compile(r"[a-z0-9](?:[a-z0-9._:-]{0,48}[a-z0-9])?", re.ASCII)
_ADDRESSLESS = FieldError(ErrorCode.REQUIRED, "The account has no email that a code could go to.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Administration:
    """The common part of the use cases below. Each takes the `operator`, and a `reason` for the audit log, of at most 500
    characters.

    Each raises `InvalidInput`, `NoSuchAccount`, `NotPermitted`, `Unavailable`, and for an operator who is a person
    `LoginNotFresh`, `InvalidCredentials` and `RateLimited` for a wrong `current_password`, and `InvalidToken` if their session
    was revoked meanwhile.
    """

    database: Database
    operators: Operators
    clock: Clock

    def _known(self, account_id: int) -> Account:
        """The account, unlocked: its addresses say which challenges to lock before it."""
        account = self.database.accounts.get(account_id)
        if account is None:
            raise no_such_account()
        return account

    def _lock(self, tx: Transaction, operator: Operator, known: Account, *, loses_access: bool = False) -> Account:
        """Locks the account, with its superusers if it `loses_access` or its role."""
        account = lock_keeping_a_superuser(tx, known) if loses_access else tx.accounts.lock(known.id)
        if account is None:
            raise no_such_account()
        self.operators.check_target(tx, operator, self, account)
        return account


def no_such_account() -> NoSuchAccount:
    return NoSuchAccount("There is no account with this id.")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDetails:
    """An account as operators see it: its active sessions, the newest first, its limits in force, and its latest logins.

    `logins` are the latest 20 sessions on record, ended ones included: sessions are kept for 60 days after they began.
    """

    account: Account
    sessions: Sequence[Session]
    logins: Sequence[Session]
    limits: Sequence[LimitInForce]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAccount(Administration):
    """Reads an account with its sessions, latest logins and the limits in force. Raises the refusals of `Administration`."""

    account_limits: AccountLimits

    def __call__(self, *, operator: Operator, account_id: int, caller: Caller = TRUSTED_CALLER) -> AccountDetails:
        self.operators.admit(operator, self, None, caller)
        account, now = self._known(account_id), self.clock()
        return AccountDetails(
            account=account,
            sessions=self.database.sessions.active(account_id, now),
            logins=self.database.sessions.latest(account_id, limit=MAX_LOGINS),
            limits=self.account_limits.in_force(self.database.rate_limits, account, now),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendAccount(Administration):
    """Suspends an account until the time `until`, or until it is reinstated, and ends its sessions and open codes.

    It is refused like a deactivated one, and opens by itself when the time has come. An earlier suspension or deactivation is
    replaced. The owner is notified, unless `notifies` is false, and learns the reason only if `tells_reason`. Raises
    `LastSuperuser`, and the refusals of `Administration`.
    """

    notices: Notices

    def __call__(
        self,
        *,
        operator: Operator,
        account_id: int,
        reason: str,
        until: float | None = None,
        notifies: bool = True,
        tells_reason: bool = False,
        current_password: str | None = None,
        caller: Caller = TRUSTED_CALLER,
    ) -> Account:
        validator = Validator()
        end = validator.time("until", until)
        if end is not None and end <= self.clock():
            validator.add_error("until", FieldError(ErrorCode.MALFORMED, "This must be a time in the future."))
        is_notified, learns_reason = validator.flag("notifies", notifies), validator.flag("tells_reason", tells_reason)
        action = self.operators.admit_change(operator, self, validator, reason, current_password, caller, reason_required=True)
        suspension = Suspension(since=self.clock(), until=end, reason=action.reason or "")
        return self._suspend(operator, account_id, suspension, action, notifies=is_notified, tells_reason=learns_reason)

    @retry_on_conflict
    def _suspend(
        self, operator: Operator, account_id: int, suspension: Suspension, action: Action, *, notifies: bool, tells_reason: bool
    ) -> Account:
        known = self._known(account_id)
        with self.database.begin() as tx:
            revoked = opening_addresses(known)
            tx.challenges.revoke(revoked)  # before the account is locked: the order of locks
            account, now = self._lock(tx, operator, known, loses_access=True), self.clock()
            after = replace(account, is_active=False, suspension=suspension)
            tx.accounts.save(after)
            tx.sessions.revoke_all(account.id, now)
            revoke_codes_of_added_addresses(tx, opening_addresses(account), revoked)
            until = suspension.until
            action.record(tx, EventType.SUSPENDED, now, account, "" if until is None else f"until:{until:.0f}")
            if notifies:
                values = {} if until is None else {"until": f"{datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M} UTC"}
                told = {"reason": suspension.reason} if tells_reason else {}
                self.notices(tx, Notice.ACCOUNT_SUSPENDED, after, now, TRUSTED_CALLER, to=None, **values, **told)
        return after


@dataclass(frozen=True, slots=True, kw_only=True)
class Reinstate(Administration):
    """Ends the suspension or the deactivation of an account, and notifies the owner.

    Raises the refusals of `Administration`.
    """

    notices: Notices

    @retry_on_conflict
    def __call__(
        self,
        *,
        operator: Operator,
        account_id: int,
        reason: str | None = None,
        current_password: str | None = None,
        caller: Caller = TRUSTED_CALLER,
    ) -> Account:
        action = self.operators.admit_change(operator, self, Validator(), reason, current_password, caller)
        known = self._known(account_id)
        with self.database.begin() as tx:
            account, now = self._lock(tx, operator, known), self.clock()
            if account.is_active:
                return account
            after = account.reinstated()
            tx.accounts.save(after)
            action.record(tx, EventType.REINSTATED, now, account)
            self.notices(tx, Notice.ACCOUNT_REINSTATED, after, now, TRUSTED_CALLER)
        return after


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockAccount(Administration):
    """Clears the counters that keep an account's owner out, and returns how many refused at that time.

    These are failed logins by its names and in a row, codes asked for and wrong ones at its addresses, and refused changes; not
    those of whole networks. Raises the refusals of `Administration`.
    """

    account_limits: AccountLimits

    @retry_on_conflict
    def __call__(
        self,
        *,
        operator: Operator,
        account_id: int,
        reason: str | None = None,
        current_password: str | None = None,
        caller: Caller = TRUSTED_CALLER,
    ) -> int:
        action = self.operators.admit_change(operator, self, Validator(), reason, current_password, caller)
        known = self._known(account_id)
        with self.database.begin() as tx:
            full = len(self.account_limits.in_force(tx.rate_limits, known, self.clock()))
            keys = [one.window.key for one in self.account_limits.windows(tx.rate_limits, known) if one.window.timestamps]
            tx.rate_limits.lock(keys)  # before the account: the order of locks
            account, now = self._lock(tx, operator, known), self.clock()
            tx.rate_limits.save([SlidingWindow(key) for key in keys], now)
            action.record(tx, EventType.UNLOCKED, now, account, f"limits:{full}")
        return full


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOut(Administration):
    """Ends every session of an account, and returns how many. Raises the refusals of `Administration`."""

    @retry_on_conflict
    def __call__(
        self,
        *,
        operator: Operator,
        account_id: int,
        reason: str | None = None,
        current_password: str | None = None,
        caller: Caller = TRUSTED_CALLER,
    ) -> int:
        action = self.operators.admit_change(operator, self, Validator(), reason, current_password, caller)
        known = self._known(account_id)
        with self.database.begin() as tx:
            account, now = self._lock(tx, operator, known), self.clock()
            ended = tx.sessions.revoke_all(account.id, now)
            action.record(tx, EventType.SIGNED_OUT, now, account, f"sessions:{ended}")
        return ended


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRoles(Administration):
    """Sets the flags and the roles of an account; None leaves one as it is. A superuser is staff too.

    `roles` are names of the operator's choice, at most 20, of 1 to 50 small letters, digits and `._:-`, which the claim `roles`
    of access tokens carries, from the next refresh on. Raises `LastSuperuser`, and the refusals of `Administration`.
    """

    def __call__(
        self,
        *,
        operator: Operator,
        account_id: int,
        is_staff: bool | None = None,
        is_superuser: bool | None = None,
        roles: Sequence[str] | None = None,
        reason: str | None = None,
        current_password: str | None = None,
        caller: Caller = TRUSTED_CALLER,
    ) -> Account:
        validator = Validator()
        flags = {"is_staff": is_staff, "is_superuser": is_superuser}
        given: dict[str, object] = {name: validator.flag(name, flag) for name, flag in flags.items() if flag is not None}
        if roles is not None:
            given["roles"] = _read_roles(validator, roles)
        action = self.operators.admit_change(operator, self, validator, reason, current_password, caller)
        return self._set(operator, account_id, given, action)

    @retry_on_conflict
    def _set(self, operator: Operator, account_id: int, given: dict[str, object], action: Action) -> Account:
        known = self._known(account_id)
        with self.database.begin() as tx:
            loses_role = given.get("is_superuser") is False
            account, now = self._lock(tx, operator, known, loses_access=loses_role), self.clock()
            after: Account = replace(account, **given)  # type: ignore[arg-type]  # of fields by their names
            if given.get("is_staff") is False and after.is_staff:
                raise InvalidInput({"is_staff": [FieldError(ErrorCode.MALFORMED, "A superuser is staff too.")]})
            if after == account:
                return account
            tx.accounts.save(after)
            detail = f"is_staff:{after.is_staff} is_superuser:{after.is_superuser} roles:{','.join(after.roles)}".lower()
            action.record(tx, EventType.ROLES_CHANGED, now, account, detail)
        return after


def _read_roles(validator: Validator, roles: Sequence[str]) -> tuple[str, ...]:
    """The names, distinct and in order, so that equal sets are equal."""
    texts = validator.texts("roles", roles)
    if len(texts) > MAX_ROLES:
        validator.add_error("roles", FieldError(ErrorCode.TOO_MANY, f"An account has at most {MAX_ROLES} roles."))
    read = (validator.text("roles", text, _role) for text in texts)
    return tuple(sorted({role for role in read if role is not None}))


def _role(text: str) -> str:
    role = trimmed(text)
    if not _ROLE.fullmatch(role):
        raise InvalidText("A role is 1 to 50 small letters, digits, dots, colons, dashes and underscores.")
    return role


@dataclass(frozen=True, slots=True, kw_only=True)
class SendReset(Administration):
    """Sends a code to the email of an account, with which its owner sets a new password, as if the owner had asked for it.

    It counts as a code from an unknown network. Raises `RateLimited` for the address, `Overloaded`, and the refusals of
    `Administration`; `InvalidInput` for `email` if the account has none.
    """

    code_issuer: CodeIssuer

    def __call__(
        self,
        *,
        operator: Operator,
        account_id: int,
        reason: str | None = None,
        current_password: str | None = None,
        caller: Caller = TRUSTED_CALLER,
    ) -> None:
        action = self.operators.admit_change(operator, self, Validator(), reason, current_password, caller)
        known = self._known(account_id)
        with self.database.begin() as tx:
            account = self._lock(tx, operator, known)
        if account.email is None:
            raise InvalidInput({"email": [_ADDRESSLESS]})
        to = [Recipient(account.email, knower=None)]
        self.code_issuer.issue(CodePurpose.GENERAL, to, to, TRUSTED_CALLER)
        with self.database.begin() as tx:
            action.record(tx, EventType.RESET_SENT, self.clock(), account)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditAccount(Administration):
    """Changes fields of an account; None leaves one as it is, and for `mobile` MISSING does, while None removes it.

    With `vouches` the operator vouches for the email and mobile that are given: they become verified, also where they are the
    present ones, leave another account on which they are unverified, and the addresses that they replace do not recover the
    account. Otherwise the rules for changes by the owner hold. The open codes of the account are revoked, and its addresses are
    notified. Raises `AlreadyTaken`, and the refusals of `Administration`.
    """

    identifiers: Identifiers
    address_releaser: AddressReleaser
    notices: Notices
    recovery_seconds: float

    def __call__(
        self,
        *,
        operator: Operator,
        account_id: int,
        username: str | None = None,
        name: str | None = None,
        email: str | None = None,
        mobile: str | Literal[Missing.MISSING] | None = MISSING,
        vouches: bool = False,
        reason: str | None = None,
        current_password: str | None = None,
        caller: Caller = TRUSTED_CALLER,
    ) -> Account:
        validator, known = Validator(), self.database.accounts.get(account_id)
        own_username, own_email, own_mobile = (known.username, known.email, known.mobile) if known else (None, None, None)
        read_mobile = or_same(own_mobile, self.identifiers.mobile)
        given_mobile = None if mobile is MISSING else validator.text("mobile", mobile, read_mobile, required=False)
        changes = Changes(
            username=validator.text("username", username, or_same(own_username, self._username), required=False),
            name=validator.text("name", name, self.identifiers.name, required=False),
            email=validator.text("email", email, or_same(own_email, self.identifiers.email), required=False),
            mobile=None if mobile is None else given_mobile or MISSING,
        )
        validator.flag("vouches", vouches)
        action = self.operators.admit_change(operator, self, validator, reason, current_password, caller)
        if known is None:
            raise no_such_account()
        return self._edit(operator, known, changes, action, vouches=vouches)

    def _username(self, text: str) -> Username:
        return self.identifiers.username(text, reserved=True)

    @retry_on_conflict
    def _edit(self, operator: Operator, known: Account, changes: Changes, action: Action, *, vouches: bool) -> Account:
        given = [address for address in (changes.email, changes.mobile) if isinstance(address, Address)]
        with self.database.begin() as tx:
            revoked = {*opening_addresses(known), *given}
            tx.challenges.revoke(revoked)  # before the account is locked: the order of locks
            before, now = self._lock(tx, operator, known), self.clock()
            after = changes.apply(before, now, 0.0 if vouches else self.recovery_seconds)
            if loses_last_verified(before, after):
                raise InvalidInput({"mobile": [LAST_VERIFIED]})
            self._take(tx, before, after, given if vouches else (), now, action)
            for address in given if vouches else ():
                after = verified(after, address.kind, now, 0.0)
            if after == before:
                return before
            tx.accounts.save(after)
            revoke_codes_of_added_addresses(tx, opening_addresses(before), revoked)
            self._record(tx, before, after, now, action)
        return after

    def _take(
        self, tx: Transaction, before: Account, after: Account, vouched: Sequence[Address], now: float, action: Action
    ) -> None:
        """Takes the new values, from accounts on which they hold nothing. Raises `AlreadyTaken`."""
        renamed = after.username if after.username.canonical != before.username.canonical else None
        new = [address for address in after.addresses if not before.has(address)]
        if taken := tx.accounts.taken_fields(renamed, new, now, proved=vouched, excluding=before.id):
            raise AlreadyTaken(*sorted(taken))
        self.address_releaser(tx, vouched, now, new_owner=before.id, actor=action.actor, reason=action.reason)

    def _record(self, tx: Transaction, before: Account, after: Account, now: float, action: Action) -> None:
        changed = differences(before, after)
        for event in changed:
            action.record(tx, event, now, after)
        for kind, (event, notice) in ADDRESS_CHANGES.items():
            new, old = after.address(kind), before.address(kind)
            if new is not None and after.has_verified(new) and not before.has_verified(new):
                action.record(tx, EventType.ADDRESS_VERIFIED, now, after, kind)
            if event not in changed:
                continue
            for address, account in ((old, before), (new, after)):
                if address is not None and (kind is AddressKind.EMAIL or account.has_verified(address)):
                    self.notices(tx, notice, account, now, TRUSTED_CALLER, to=address)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveAccount(Administration):
    """Deletes an account at once, with everything that `DeleteDueAccounts` deletes. It cannot be undone.

    The reason stays in the audit log: it should name no person. If the database fails halfway, the next purge deletes the
    account, which is inactive until then. Raises `LastSuperuser`, and the refusals of `Administration`.
    """

    delete_due_accounts: DeleteDueAccounts

    def __call__(
        self,
        *,
        operator: Operator,
        account_id: int,
        reason: str | None = None,
        current_password: str | None = None,
        caller: Caller = TRUSTED_CALLER,
    ) -> None:
        action = self.operators.admit_change(operator, self, Validator(), reason, current_password, caller)
        account = self._condemn(operator, account_id, action)
        with suppress(Unavailable):  # then the next purge deletes it
            self.delete_due_accounts.delete(account, actor=action.actor, reason=action.reason)

    @retry_on_conflict
    def _condemn(self, operator: Operator, account_id: int, action: Action) -> Account:
        """Makes the deletion due, and the account inactive, so that no login cancels it."""
        known = self._known(account_id)
        with self.database.begin() as tx:
            account, now = self._lock(tx, operator, known, loses_access=True), self.clock()
            after = replace(account, is_active=False, suspension=None, deletion_due_at=now)
            tx.accounts.save(after)
            tx.sessions.revoke_all(account.id, now)
            action.record(tx, EventType.DELETION_SCHEDULED, now, account)
        return after
