"""Changes of the caller's own account."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from ..domain.account import Account, Address, AddressKind, Username
from ..domain.errors import InvalidToken
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
    verified: frozenset[Address] = frozenset()

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
        for address in sorted(self.verified, key=lambda one: one.kind):
            if changed.has(address):  # another change may have removed it after the proof was checked
                changed = changed.verified_by_session(address)
        return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChanger:
    """Validates and stores changes of the caller's own account, for `ChangeAccount` and `ReplaceAccount`."""

    database: Database
    hasher: Hasher
    rules: AccountRules
    clock: Clock
    notices: Notices

    @retry_on_conflict
    def __call__(
        self, identity: Identity, given: Mapping[str, object], proofs: tuple[str, ...], caller: Caller, *, replaces_all: bool
    ) -> Account:
        validator = Validator()
        changes, password = self._read(validator, identity.account, given, replaces_all=replaces_all)
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
        self, validator: Validator, account: Account, given: Mapping[str, object], *, replaces_all: bool
    ) -> tuple[Changes, str | None]:
        """Values equal to the present ones skip today's rules: an imported username may break them."""
        known = self.rules.identifiers
        mobile_required = replaces_all and self.rules.mobile_required
        mobile = validator.text("mobile", given["mobile"], _or_same(account.mobile, known.mobile), required=mobile_required)
        changes = Changes(
            username=validator.text(
                "username", given["username"], _or_same(account.username, known.username), required=replaces_all
            ),
            name=validator.text("name", given["name"], known.name, required=replaces_all),
            email=validator.text("email", given["email"], _or_same(account.email, known.email), required=replaces_all),
            mobile=mobile if replaces_all or mobile else MISSING,
        )
        return changes, validator.password("password", given["password"], required=replaces_all)

    def _store(self, tx: Transaction, identity: Identity, expected: Account, changes: Changes, caller: Caller) -> Account:
        revoked: tuple[Address, ...] = ()
        if changes.password_hash or _REVOKES_CODES.intersection(_differences(identity.account, expected)):
            revoked = (*identity.account.addresses, *expected.addresses)
            tx.challenges.revoke(revoked)  # before the account is locked: the order of locks
        before = tx.lock_identity(identity.account.id, identity.session_id, self.clock)
        if before is None:
            raise InvalidToken
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
        for address in sorted(changes.verified, key=lambda one: one.kind):
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
class ChangeAccount:
    """Changes the given fields of the caller's own account; None or blank leaves a field as it is.

    A new email or mobile is unverified unless one of `proofs` verifies it. A new password revokes the account's other
    sessions. A new password, email or mobile revokes its open codes. Raises `InvalidInput`, `AlreadyTaken`, `InvalidToken`
    if the session was revoked meanwhile, `Overloaded`, `Unavailable`.
    """

    account_changer: AccountChanger

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
        given = {"username": username, "name": name, "email": email, "mobile": mobile, "password": password}
        return self.account_changer(identity, given, proofs, caller, replaces_all=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceAccount:
    """Replaces every field of the caller's own account; `mobile` None or blank removes it, unless one is required.

    The effects and the refusals are those of `ChangeAccount`.
    """

    account_changer: AccountChanger

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
        given = {"username": username, "name": name, "email": email, "mobile": mobile, "password": password}
        return self.account_changer(identity, given, proofs, caller, replaces_all=True)


def _or_same(current: T | None, parse: Callable[[str], T]) -> Callable[[str], T]:
    return lambda text: current if current is not None and text.strip() == current.text else parse(text)


_REVOKES_CODES = frozenset({EventType.PASSWORD_CHANGED, EventType.EMAIL_CHANGED, EventType.MOBILE_CHANGED})


def _differences(before: Account, after: Account) -> list[EventType]:
    found = {
        EventType.USERNAME_CHANGED: before.username != after.username,
        EventType.NAME_CHANGED: before.name != after.name,
        EventType.EMAIL_CHANGED: _canonical(before.email) != _canonical(after.email),
        EventType.MOBILE_CHANGED: _canonical(before.mobile) != _canonical(after.mobile),
        EventType.PASSWORD_CHANGED: before.password_hash != after.password_hash,
    }
    return [event for event, differs in found.items() if differs]


def _canonical(address: Address | None) -> str | None:
    return address.canonical if address else None
