"""Changing one's own account."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from ..domain.account import Account, Address, AddressKind, Username
from ..domain.errors import InvalidToken
from ..domain.events import TRUSTED_CALLER, Caller, Event, EventType
from .notifications import Notice, Notices
from .ports import Clock, Database, Hasher, Transaction
from .retry import retry_on_conflict
from .tokens import Identity
from .validation import MISSING, AccountRules, Missing, Validator, personal_data

T = TypeVar("T", Username, Address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is to be different; None is no change. `mobile` is MISSING for no change, None for none from now on."""

    username: Username | None = None
    name: str | None = None
    email: Address | None = None
    mobile: Address | Literal[Missing.MISSING] | None = MISSING
    password_hash: str | None = None
    proven: frozenset[Address] = frozenset()

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
        for address in sorted(self.proven, key=lambda one: one.kind):
            if changed.has(address):  # it may have been given up since the proof was looked at
                changed = changed.verified_by_session(address)
        return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAccount:
    """Changes those fields of the caller's own account that are given (None or blank: as it was).

    A new email or mobile is unproven, unless one of `proofs` proves it. A new password ends the account's other sessions;
    it, a new email and a new mobile end its open codes. Raises `InvalidInput`, `AlreadyTaken`, `InvalidToken` where the
    session has ended meanwhile, `Overloaded`, `Unavailable`.
    """

    database: Database
    hasher: Hasher
    rules: AccountRules
    clock: Clock
    notices: Notices

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
        given = (username, name, email, mobile, password)
        return self._change(identity, given, proofs, caller, whole=False)

    def replace(
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
        """The same with every field given; `mobile` None (or blank) removes it, unless one is required."""
        given = (username, name, email, mobile, password)
        return self._change(identity, given, proofs, caller, whole=True)

    @retry_on_conflict
    def _change(
        self, identity: Identity, given: tuple[object, ...], proofs: tuple[str, ...], caller: Caller, *, whole: bool
    ) -> Account:
        read = Validator()
        changes, secret = self._read(read, identity.account, given, whole=whole)
        after = changes.apply(identity.account)
        self.rules.check_password(read, secret, personal_data(after.username.text, after.name, after.email, after.mobile))
        moved = [address for address in after.addresses if not identity.account.has(address)]
        renamed = after.username if after.username.canonical != identity.account.username.canonical else None
        read.add_taken(self.database.accounts.taken_fields(renamed, moved, excluding=identity.account.id))
        proven = self.rules.verified_addresses(read, self.database, after.addresses, moved, read.texts("proofs", proofs))
        read.raise_if_invalid()
        if after == identity.account and not secret and not proven:
            return after
        password_hash = self.hasher.hash(secret) if secret else None
        with self.database.begin() as tx:
            return self._store(tx, identity, replace(changes, password_hash=password_hash, proven=proven), caller)

    def _read(self, read: Validator, account: Account, given: tuple[object, ...], *, whole: bool) -> tuple[Changes, str | None]:
        """What is left as it was is not judged by today's rules: an imported username may break them."""
        username, name, email, mobile, password = given
        known = self.rules.identifiers
        phone_required = whole and self.rules.mobile_required
        phone = read.text("mobile", mobile, _or_same(account.mobile, known.mobile), required=phone_required)
        changes = Changes(
            username=read.text("username", username, _or_same(account.username, known.username), required=whole),
            name=read.text("name", name, known.name, required=whole),
            email=read.text("email", email, _or_same(account.email, known.email), required=whole),
            mobile=phone if whole or phone else MISSING,
        )
        return changes, read.password("password", password, required=whole)

    def _store(self, tx: Transaction, identity: Identity, changes: Changes, caller: Caller) -> Account:
        before = tx.accounts.lock(identity.account.id)
        now = self.clock()
        if before is None or tx.accounts.by_active_session(before.id, identity.session_id, now) is None:
            raise InvalidToken
        after = changes.apply(before)
        tx.accounts.save(after)
        if after.password_hash != before.password_hash:
            tx.sessions.end_all(after.id, now, except_id=identity.session_id)
        for what in _differences(before, after):
            event = Event(type=what, occurred_at=now, account_id=after.id, session_id=identity.session_id, caller=caller)
            tx.audit_log.add(event)
            if what in _ENDS_CODES:
                tx.challenges.revoke({*before.addresses, *after.addresses})
        for address in sorted(changes.proven, key=lambda one: one.kind):
            event = Event(
                type=EventType.ADDRESS_VERIFIED,
                occurred_at=now,
                account_id=after.id,
                session_id=identity.session_id,
                caller=caller,
                detail=address.kind,
            )
            tx.audit_log.add(event)
        self._tell(tx, before, after, now)
        return after

    def _tell(self, tx: Transaction, before: Account, after: Account, now: float) -> None:
        """To where the owner was reached until now, for whoever did this may not be the owner."""
        told = {
            EventType.PASSWORD_CHANGED: (Notice.PASSWORD_CHANGED, None),
            EventType.EMAIL_CHANGED: (Notice.EMAIL_CHANGED, before.email),
            EventType.MOBILE_CHANGED: (Notice.MOBILE_CHANGED, before.mobile),
        }
        for what in _differences(before, after):
            if what in told:
                notice, old = told[what]
                self.notices(tx, notice, before, now, to=old)


def _or_same(current: T | None, read: Callable[[str], T]) -> Callable[[str], T]:
    return lambda text: current if current is not None and text.strip() == current.text else read(text)


_ENDS_CODES = frozenset({EventType.PASSWORD_CHANGED, EventType.EMAIL_CHANGED, EventType.MOBILE_CHANGED})


def _differences(before: Account, after: Account) -> list[EventType]:
    moved = {kind for kind in AddressKind if _key(before, kind) != _key(after, kind)}
    found = {
        EventType.USERNAME_CHANGED: before.username != after.username,
        EventType.NAME_CHANGED: before.name != after.name,
        EventType.EMAIL_CHANGED: AddressKind.EMAIL in moved,
        EventType.MOBILE_CHANGED: AddressKind.MOBILE in moved,
        EventType.PASSWORD_CHANGED: before.password_hash != after.password_hash,
    }
    return [what for what, differs in found.items() if differs]


def _key(account: Account, kind: AddressKind) -> str | None:
    address = account.address(kind)
    return address.canonical if address else None
