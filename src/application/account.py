"""Changes of the caller's own account."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from ..domain.account import Account, Address, AddressKind, Username
from ..domain.errors import AlreadyTaken, ErrorCode, FieldError, InvalidInput
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.ownership import AddressState, state_of, verified, with_addresses
from ..domain.rate_limits import DAY, Limits
from ..domain.texts import trimmed
from . import rate_limits
from .audit import record
from .fresh_login import FreshLogin
from .notifications import ADDRESS_CHANGES, Notice, Notices
from .ownership import AddressReleaser, opening_addresses, revoke_codes_of_added_addresses, revoke_open_codes
from .ports import Clock, Database, Hasher, Transaction
from .rate_limits import Counter
from .retry import retry_on_conflict
from .tokens import Identity
from .validation import MISSING, NO_PROOFS, AccountRules, Missing, ProvedAddresses, Validator, is_blank, personal_data_of

T = TypeVar("T", Username, Address)

LAST_VERIFIED = FieldError(ErrorCode.LAST_VERIFIED, "The last verified address can be replaced, and not removed.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The new values of fields; None is no change. `mobile` is MISSING for no change, and None removes it."""

    username: Username | None = None
    name: str | None = None
    email: Address | None = None
    mobile: Address | Literal[Missing.MISSING] | None = MISSING
    password_hash: str | None = None
    proved: ProvedAddresses = NO_PROOFS

    def apply(self, account: Account, now: float, recovery_seconds: float) -> Account:
        addresses: dict[AddressKind, Address | None] = {} if self.email is None else {AddressKind.EMAIL: self.email}
        if self.mobile is not MISSING:
            addresses[AddressKind.MOBILE] = self.mobile
        changed = replace(
            with_addresses(account, addresses, now, recovery_seconds),
            name=self.name or account.name,
            password_hash=self.password_hash or account.password_hash,
        )
        if self.username is not None and self.username != account.username:  # a mobile's username goes with it
            changed = replace(changed, username=self.username)
        for address in self.proved.addresses:
            if changed.has(address):  # another change may have removed it after the proof was checked
                changed = verified(changed, address.kind, now, recovery_seconds)
        return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUpdate:
    """The common part of `ChangeAccount` and `ReplaceAccount`: validates and stores changes of the caller's own account.

    Changes that are refused because a value is taken are counted: they would tell who has an account.
    """

    database: Database
    hasher: Hasher
    rules: AccountRules
    fresh_login: FreshLogin
    address_releaser: AddressReleaser
    clock: Clock
    notices: Notices
    limits: Limits
    recovery_seconds: float

    @retry_on_conflict
    def _update(
        self,
        identity: Identity,
        fields: Mapping[str, object],
        proofs: tuple[str, ...],
        current_password: str | None,
        caller: Caller,
        *,
        is_complete: bool,
    ) -> Account:
        """Stores the changed fields. If `is_complete`, all are required, and an absent mobile is removed."""
        validator, account = Validator(), identity.account
        changes, password = self._read(validator, account, fields, is_complete=is_complete)
        given = validator.password("current_password", current_password, required=False)
        is_sensitive = _is_sensitive(account, changes, fields)
        if given or is_sensitive:
            self.fresh_login.require(identity, given, caller)
        if password and self.hasher.verify(account.password_hash, password):
            password = None  # no change, so that other sessions stay
        now = self.clock()
        after = changes.apply(account, now, self.recovery_seconds)
        self.rules.check_password(validator, password, personal_data_of(after))
        new = [address for address in after.addresses if not account.has(address)]
        to_prove = [address for address in new if state_of(account, address, now) is not AddressState.RECOVERY]
        self.rules.check_addresses(validator, to_prove)
        proved = self.rules.proved_addresses(validator, self.database, after.addresses, to_prove, proofs, caller)
        self._check_taken(validator, identity, after, new, proved, caller)
        changes = replace(changes, proved=proved)
        after = changes.apply(account, now, self.recovery_seconds)
        if loses_last_verified(account, after):
            validator.add_error("mobile", LAST_VERIFIED)
        validator.raise_if_invalid()
        if after == account and not password and not proved.addresses:
            return after
        changes = replace(changes, password_hash=self.hasher.hash(password) if password else None)
        with self.database.begin() as tx:
            before = self._lock(tx, identity, after, changes, caller)
            if not given and not is_sensitive and _is_sensitive(before, changes, fields):  # another call changed an address
                self.fresh_login.require(identity, None, caller)
            return self._store(tx, identity, before, changes, caller)

    def _check_taken(
        self,
        validator: Validator,
        identity: Identity,
        after: Account,
        new: list[Address],
        proved: ProvedAddresses,
        caller: Caller,
    ) -> None:
        """Adds the errors of taken values. Raises `RateLimited` if the account asked for too many."""
        account = identity.account
        renamed = after.username if after.username.canonical != account.username.canonical else None
        if renamed is None and not new:
            return
        counter = Counter(f"taken-values:{account.id}", self.limits.taken_values_per_account, "taken-values")
        if refusal := rate_limits.read(self.database.rate_limits, [counter], self.clock).refusal():
            raise refusal
        taken = self.database.accounts.taken_fields(renamed, new, self.clock(), proved=proved.addresses, excluding=account.id)
        validator.add_taken(taken)
        if not taken:
            return
        with self.database.begin() as tx:
            counters = rate_limits.lock(tx.rate_limits, [counter], self.clock)
            if refusal := counters.refusal():  # by other calls meanwhile
                raise refusal
            counters.hit().save(tx.rate_limits)
            event, detail = EventType.VALUE_TAKEN, ",".join(sorted(taken))
            session_id = identity.session_id
            record(tx, event, counters.now, caller, account_id=account.id, session_id=session_id, detail=detail)

    def _read(
        self, validator: Validator, account: Account, fields: Mapping[str, object], *, is_complete: bool
    ) -> tuple[Changes, str | None]:
        """Unchanged values are not validated again: imported usernames may violate the current rules."""
        identifiers = self.rules.identifiers
        removes_mobile = fields["mobile"] is None
        mobile = validator.text(
            "mobile",
            None if fields["mobile"] is MISSING and not is_complete else fields["mobile"],
            or_same(account.mobile, identifiers.mobile),
            required=self.rules.mobile_required and (is_complete or removes_mobile),
        )
        username = validator.text(
            "username", fields["username"], or_same(account.username, identifiers.username), required=is_complete
        )
        changes = Changes(
            username=None if username == account.username else username,  # it goes with the mobile, if it is that
            name=validator.text("name", fields["name"], identifiers.name, required=is_complete),
            email=validator.text("email", fields["email"], or_same(account.email, identifiers.email), required=is_complete),
            mobile=mobile if is_complete or mobile or removes_mobile else MISSING,
        )
        return changes, validator.password("password", fields["password"], required=is_complete)

    def _lock(self, tx: Transaction, identity: Identity, expected: Account, changes: Changes, caller: Caller) -> Account:
        """Spends the proofs, revokes the codes that the change ends, and returns the account, locked, as it is now."""
        revokes_codes = changes.password_hash or _REVOKES_CODES.intersection(differences(identity.account, expected))
        if revokes_codes:
            revoke_open_codes(tx, identity.account, caller)
        changes.proved.spend(tx)
        account = identity.lock_account(tx, self.clock)
        if revokes_codes:
            revoke_codes_of_added_addresses(tx, opening_addresses(account), opening_addresses(identity.account))
        return account

    def _store(self, tx: Transaction, identity: Identity, before: Account, changes: Changes, caller: Caller) -> Account:
        now, session_id = self.clock(), identity.session_id
        after = changes.apply(before, now, self.recovery_seconds)
        if loses_last_verified(before, after):
            raise InvalidInput({"mobile": [LAST_VERIFIED]})
        new = [address for address in after.addresses if not before.has(address)]
        taken = new and tx.accounts.taken_fields(None, new, now, proved=changes.proved.addresses, excluding=before.id)
        if taken:  # since the check before the hashing
            raise AlreadyTaken(*sorted(taken))
        self.address_releaser(tx, changes.proved.addresses, now, new_owner=before.id)
        tx.accounts.save(after)
        if after.password_hash != before.password_hash:
            tx.sessions.revoke_all(after.id, now, except_id=session_id)
            tx.sessions.forget_networks(after.id, except_network=caller.ip_address)
        changed = differences(before, after)
        for event in changed:
            record(tx, event, now, caller, account_id=after.id, session_id=session_id)
        for address in after.addresses:
            if after.has_verified(address) and not before.has_verified(address):
                event = EventType.ADDRESS_VERIFIED
                record(tx, event, now, caller, account_id=after.id, session_id=session_id, detail=address.kind)
        self._notify(tx, before, after, changed, now, caller)
        changes.proved.use_invitations(tx, now)
        return after

    def _notify(
        self, tx: Transaction, before: Account, after: Account, changed: list[EventType], now: float, caller: Caller
    ) -> None:
        """Notifies the previous address and the new one: the change may have been made by an attacker, or by mistake.

        Where the previous one is not verified, or there was none, a verified address is notified too.
        """
        for kind, (event, notice) in ADDRESS_CHANGES.items():
            if event in changed:
                if not before.is_verified(kind):
                    self.notices(tx, notice, before, now, caller)
                if (old := before.address(kind)) is not None:
                    self._notify_former(tx, notice, before, old, now, caller)
                new = after.address(kind)
                if new is not None and (kind is AddressKind.EMAIL or after.is_verified(kind)):  # SMS to strangers cost money
                    self.notices(tx, notice, after, now, caller, to=new)
        if EventType.PASSWORD_CHANGED in changed:
            self.notices(tx, Notice.PASSWORD_CHANGED, before, now, caller)

    def _notify_former(
        self, tx: Transaction, notice: Notice, before: Account, old: Address, now: float, caller: Caller
    ) -> None:
        """Notifies the former address; the notice to a verified one names the days for which it recovers the account."""
        if before.has_verified(old) and self.recovery_seconds:
            days = f"{self.recovery_seconds / DAY:.0f}"
            self.notices(tx, notice, before, now, caller, to=old, recovery_days=days)
        else:
            self.notices(tx, notice, before, now, caller, to=old)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAccount(AccountUpdate):
    """Changes the given fields of the caller's own account; None or blank leaves a field as it is, but for `mobile`.

    `mobile` None removes it, and blank or MISSING leaves it. A new email or mobile is unverified unless one of `proofs`
    verifies it; a verified one that it replaces stays the account's recovery address. A new password revokes the account's
    other sessions. A new password, email or mobile wants a fresh login or `current_password`, and revokes the open codes.

    Raises `InvalidInput`, `AlreadyTaken`, `LoginNotFresh`, `InvalidCredentials`, `RateLimited`, `InvalidToken` if the session
    was revoked meanwhile, `Overloaded`, `Unavailable`.
    """

    def __call__(
        self,
        *,
        identity: Identity,
        username: str | None = None,
        name: str | None = None,
        email: str | None = None,
        mobile: str | Literal[Missing.MISSING] | None = MISSING,
        password: str | None = None,
        current_password: str | None = None,
        proofs: tuple[str, ...] = (),
        caller: Caller = TRUSTED_CALLER,
    ) -> Account:
        fields = {"username": username, "name": name, "email": email, "mobile": mobile, "password": password}
        return self._update(identity, fields, proofs, current_password, caller, is_complete=False)


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
        current_password: str | None = None,
        proofs: tuple[str, ...] = (),
        caller: Caller = TRUSTED_CALLER,
    ) -> Account:
        fields = {"username": username, "name": name, "email": email, "mobile": mobile, "password": password}
        return self._update(identity, fields, proofs, current_password, caller, is_complete=True)


def _is_sensitive(account: Account, changes: Changes, fields: Mapping[str, object]) -> bool:
    """Returns whether a password is given, or an email or a mobile other than the present one, be they valid or not."""
    email, mobile = changes.email, changes.mobile
    moves_email = email is not None and (account.email is None or email.canonical != account.email.canonical)
    moves_mobile = mobile is not MISSING and _canonical(mobile) != _canonical(account.mobile)
    is_invalid = (_is_given(fields["email"]) and email is None) or (_is_given(fields["mobile"]) and mobile in (None, MISSING))
    return moves_email or moves_mobile or is_invalid or _is_given(fields["password"])


def _is_given(value: object) -> bool:
    return value is not MISSING and not is_blank(value)


def loses_last_verified(before: Account, after: Account) -> bool:
    return before.mobile_verified and after.mobile is None and not after.email_verified


def or_same(current: T | None, parse: Callable[[str], T]) -> Callable[[str], T]:
    return lambda text: current if current is not None and trimmed(text) == current.text else parse(text)


_REVOKES_CODES = frozenset({EventType.PASSWORD_CHANGED, EventType.EMAIL_CHANGED, EventType.MOBILE_CHANGED})


def differences(before: Account, after: Account) -> list[EventType]:
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
