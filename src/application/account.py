"""Changes of the caller's own account."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from ..domain.account import Account, Address, AddressKind, Username
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from .audit import record
from .code_checks import revoke_codes_of_added_addresses
from .notifications import Notice, Notices
from .ports import Clock, Database, Hasher, Transaction
from .retry import retry_on_conflict
from .tokens import Identity
from .validation import MISSING, AccountRules, Missing, Validator, personal_data_of

T = TypeVar("T", Username, Address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The new values of fields; None is no change. `mobile` is MISSING for no change, and None removes it."""

    username: Username | None = None
    name: str | None = None
    email: Address | None = None
    mobile: Address | Literal[Missing.MISSING] | None = MISSING
    password_hash: str | None = None
    verified: tuple[Address, ...] = ()

    def apply(self, account: Account) -> Account:
        changed = replace(
            account,
            username=self.username or account.username,
            name=self.name or account.name,
            password_hash=self.password_hash or account.password_hash,
        )
        if self.email is not None:
            changed = changed.with_address(AddressKind.EMAIL, self.email)
        if self.mobile is not MISSING:
            changed = changed.with_address(AddressKind.MOBILE, self.mobile)
        for address in self.verified:
            if changed.has(address):  # another change may have removed it after the proof was checked
                changed = changed.verified_by_session(address)
        return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUpdate:
    """The common part of `ChangeAccount` and `ReplaceAccount`: validates and stores changes of the caller's own account."""

    database: Database
    hasher: Hasher
    rules: AccountRules
    clock: Clock
    notices: Notices

    @retry_on_conflict
    def _update(
        self, identity: Identity, fields: Mapping[str, object], proofs: tuple[str, ...], caller: Caller, *, is_complete: bool
    ) -> Account:
        """Stores the changed fields. If `is_complete`, all are required, and an absent mobile is removed."""
        validator = Validator()
        changes, password = self._read(validator, identity.account, fields, is_complete=is_complete)
        after = changes.apply(identity.account)
        self.rules.check_password(validator, password, personal_data_of(after))
        new = [address for address in after.addresses if not identity.account.has(address)]
        renamed = after.username if after.username.canonical != identity.account.username.canonical else None
        validator.add_taken(self.database.accounts.taken_fields(renamed, new, excluding=identity.account.id))
        texts = validator.texts("proofs", proofs)
        verified = self.rules.verified_addresses(validator, self.database, after.addresses, new, texts)
        validator.raise_if_invalid()
        if after == identity.account and not password and not verified:
            return after
        password_hash = self.hasher.hash(password) if password else None
        with self.database.begin() as tx:
            return self._store(tx, identity, after, replace(changes, password_hash=password_hash, verified=verified), caller)

    def _read(
        self, validator: Validator, account: Account, fields: Mapping[str, object], *, is_complete: bool
    ) -> tuple[Changes, str | None]:
        """Unchanged values are not validated again: imported usernames may violate the current rules."""
        identifiers = self.rules.identifiers
        mobile_required = is_complete and self.rules.mobile_required
        mobile = validator.text(
            "mobile", fields["mobile"], _or_same(account.mobile, identifiers.mobile), required=mobile_required
        )
        changes = Changes(
            username=validator.text(
                "username", fields["username"], _or_same(account.username, identifiers.username), required=is_complete
            ),
            name=validator.text("name", fields["name"], identifiers.name, required=is_complete),
            email=validator.text("email", fields["email"], _or_same(account.email, identifiers.email), required=is_complete),
            mobile=mobile if is_complete or mobile else MISSING,
        )
        return changes, validator.password("password", fields["password"], required=is_complete)

    def _store(self, tx: Transaction, identity: Identity, expected: Account, changes: Changes, caller: Caller) -> Account:
        revoked: tuple[Address, ...] = ()
        if changes.password_hash or _REVOKES_CODES.intersection(_differences(identity.account, expected)):
            revoked = (*identity.account.addresses, *expected.addresses)
            tx.challenges.revoke(revoked)  # before the account is locked: the order of locks
        before = identity.lock_account(tx, self.clock)
        now, session_id = self.clock(), identity.session_id
        after = changes.apply(before)
        tx.accounts.save(after)
        if after.password_hash != before.password_hash:
            tx.sessions.revoke_all(after.id, now, except_id=session_id)
        differences = _differences(before, after)
        for event in differences:
            record(tx, event, now, caller, account_id=after.id, session_id=session_id)
        if _REVOKES_CODES.intersection(differences):
            revoke_codes_of_added_addresses(tx, (*before.addresses, *after.addresses), revoked)
        for address in changes.verified:
            event = EventType.ADDRESS_VERIFIED
            record(tx, event, now, caller, account_id=after.id, session_id=session_id, detail=address.kind)
        self._notify(tx, before, differences, now)
        return after

    def _notify(self, tx: Transaction, before: Account, differences: list[EventType], now: float) -> None:
        """Notifies the previous address: the change may have been made by an attacker."""
        if EventType.EMAIL_CHANGED in differences:
            self.notices(tx, Notice.EMAIL_CHANGED, before, now, to=before.email)
        if EventType.MOBILE_CHANGED in differences:
            self.notices(tx, Notice.MOBILE_CHANGED, before, now, to=before.mobile)
        if EventType.PASSWORD_CHANGED in differences:
            self.notices(tx, Notice.PASSWORD_CHANGED, before, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAccount(AccountUpdate):
    """Changes the given fields of the caller's own account; None or blank leaves a field as it is.

    A new email or mobile is unverified unless one of `proofs` verifies it. A new password revokes the account's other
    sessions. A new password, email or mobile revokes its open codes. Raises `InvalidInput`, `AlreadyTaken`, `InvalidToken`
    if the session was revoked meanwhile, `Overloaded`, `Unavailable`.
    """

    def __call__(
        self,
        *,
        identity: Identity,
        username: str | None = None,
        name: str | None = None,
        email: str | None = None,
        mobile: str | None = None,
        password: str | None = None,
        proofs: tuple[str, ...] = (),
        caller: Caller = TRUSTED_CALLER,
    ) -> Account:
        fields = {"username": username, "name": name, "email": email, "mobile": mobile, "password": password}
        return self._update(identity, fields, proofs, caller, is_complete=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceAccount(AccountUpdate):
    """Replaces every field of the caller's own account; `mobile` None or blank removes it, unless one is required.

    The effects and the refusals are those of `ChangeAccount`.
    """

    def __call__(
        self,
        *,
        identity: Identity,
        username: str,
        name: str,
        email: str,
        mobile: str | Literal[Missing.MISSING] | None,
        password: str,
        proofs: tuple[str, ...] = (),
        caller: Caller = TRUSTED_CALLER,
    ) -> Account:
        fields = {"username": username, "name": name, "email": email, "mobile": mobile, "password": password}
        return self._update(identity, fields, proofs, caller, is_complete=True)


def _or_same(current: T | None, parse: Callable[[str], T]) -> Callable[[str], T]:
    return lambda text: current if current is not None and text.strip() == current.text else parse(text)


_REVOKES_CODES = frozenset({EventType.PASSWORD_CHANGED, EventType.EMAIL_CHANGED, EventType.MOBILE_CHANGED})


def _differences(before: Account, after: Account) -> list[EventType]:
    differs = {
        EventType.USERNAME_CHANGED: before.username != after.username,
        EventType.NAME_CHANGED: before.name != after.name,
        EventType.EMAIL_CHANGED: _canonical(before.email) != _canonical(after.email),
        EventType.MOBILE_CHANGED: _canonical(before.mobile) != _canonical(after.mobile),
        EventType.PASSWORD_CHANGED: before.password_hash != after.password_hash,
    }
    return [event for event in differs if differs[event]]


def _canonical(address: Address | None) -> str | None:
    return address.canonical if address else None
