"""Changing one's own account."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from ..domain.account import Account, Address, Kind, Username
from ..domain.errors import InvalidToken
from ..domain.events import VOUCHED, Caller, Event, What
from .notifications import Notice, Notices
from .ports import Clock, Database, Hasher, Transaction
from .retry import once_more
from .tokens import Identity
from .validation import MISSING, AccountRules, Missing, Reading, own_words

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
            changed = changed.moved(Kind.EMAIL, self.email)
        if self.mobile is not MISSING:
            changed = changed.moved(Kind.MOBILE, self.mobile)
        for address in sorted(self.proven, key=lambda one: one.kind):
            if changed.has(address):  # it may have been given up since the proof was looked at
                changed = changed.proven_by_holder(address)
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
        caller: Caller = VOUCHED,
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
        caller: Caller = VOUCHED,
    ) -> Account:
        """The same with every field given; `mobile` None (or blank) removes it, unless one is required."""
        given = (username, name, email, mobile, password)
        return self._change(identity, given, proofs, caller, whole=True)

    @once_more
    def _change(
        self, identity: Identity, given: tuple[object, ...], proofs: tuple[str, ...], caller: Caller, *, whole: bool
    ) -> Account:
        read = Reading()
        changes, secret = self._read(read, identity.account, given, whole=whole)
        after = changes.apply(identity.account)
        self.rules.judge_password(read, secret, own_words(after.username.text, after.name, after.email, after.mobile))
        moved = [address for address in after.addresses if not identity.account.has(address)]
        renamed = after.username if after.username.key != identity.account.username.key else None
        read.taken(self.database.accounts.taken(renamed, moved, but=identity.account.id))
        proven = self.rules.proven(read, self.database, after.addresses, moved, read.texts("proofs", proofs))
        read.refuse()
        if after == identity.account and not secret and not proven:
            return after
        password_hash = self.hasher.hash(secret) if secret else None
        with self.database.begin() as tx:
            return self._store(tx, identity, replace(changes, password_hash=password_hash, proven=proven), caller)

    def _read(self, read: Reading, account: Account, given: tuple[object, ...], *, whole: bool) -> tuple[Changes, str | None]:
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
        before = tx.accounts.claim(identity.account.id)
        now = self.clock()
        if before is None or tx.accounts.signed_in(before.id, identity.session_id, now) is None:
            raise InvalidToken
        after = changes.apply(before)
        tx.accounts.save(after)
        if after.password_hash != before.password_hash:
            tx.sessions.end_all(after.id, now, but=identity.session_id)
        for what in _differences(before, after):
            event = Event(what=what, at=now, account_id=after.id, session_id=identity.session_id, caller=caller)
            tx.journal.add(event)
            if what in _ENDS_CODES:
                tx.challenges.end({*before.addresses, *after.addresses})
        for address in sorted(changes.proven, key=lambda one: one.kind):
            event = Event(
                what=What.ADDRESS_PROVEN,
                at=now,
                account_id=after.id,
                session_id=identity.session_id,
                caller=caller,
                note=address.kind,
            )
            tx.journal.add(event)
        self._tell(tx, before, after, now)
        return after

    def _tell(self, tx: Transaction, before: Account, after: Account, now: float) -> None:
        """To where the owner was reached until now, for whoever did this may not be the owner."""
        told = {
            What.PASSWORD_CHANGED: (Notice.PASSWORD_CHANGED, None),
            What.EMAIL_CHANGED: (Notice.EMAIL_CHANGED, before.email),
            What.MOBILE_CHANGED: (Notice.MOBILE_CHANGED, before.mobile),
        }
        for what in _differences(before, after):
            if what in told:
                notice, old = told[what]
                self.notices(tx, notice, before, now, to=old)


def _or_same(current: T | None, read: Callable[[str], T]) -> Callable[[str], T]:
    return lambda text: current if current is not None and text.strip() == current.text else read(text)


_ENDS_CODES = frozenset({What.PASSWORD_CHANGED, What.EMAIL_CHANGED, What.MOBILE_CHANGED})


def _differences(before: Account, after: Account) -> list[What]:
    moved = {kind for kind in Kind if _key(before, kind) != _key(after, kind)}
    found = {
        What.USERNAME_CHANGED: before.username != after.username,
        What.NAME_CHANGED: before.name != after.name,
        What.EMAIL_CHANGED: Kind.EMAIL in moved,
        What.MOBILE_CHANGED: Kind.MOBILE in moved,
        What.PASSWORD_CHANGED: before.password_hash != after.password_hash,
    }
    return [what for what, differs in found.items() if differs]


def _key(account: Account, kind: Kind) -> str | None:
    address = account.address(kind)
    return address.key if address else None
