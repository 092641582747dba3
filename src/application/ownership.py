"""The effects of a right code on an account, and of a proof on another account, by the rules of `domain.ownership`."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from ..domain.account import Account, Address
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.ownership import HOLDS_NOTHING, AddressState, claimed, recovered, state_of, verified, without
from .audit import record
from .notifications import Notice, Notices
from .ports import Holder, Transaction
from .tokens import NO_EFFECTS, CodeEffects, Identity


@dataclass(frozen=True, slots=True)
class Opening:
    """A locked, active account and the state of its address whose right code came back."""

    account: Account
    address: Address
    state: AddressState

    @property
    def opens(self) -> bool:
        return self.state is not AddressState.UNVERIFIED


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOpener:
    """Opens accounts by a right code, for the use cases that log in or reset by one.

    An unverified address of an account that never had a verified one opens it and clears the password, the sessions, the image
    and the other address, unless the call carries the account's own login. A recovery address undoes the change that replaced
    or removed it. Both make the account forget the networks that it knew.
    """

    notices: Notices
    address_releaser: "AddressReleaser"

    def find_and_revoke_codes(
        self, tx: Transaction, to: Address, address: Address, holder: Holder, now: float, *, always: bool = False
    ) -> Opening | None:
        """Returns `find`, after it revoked the account's open codes, if the code will change the account or `always`.

        Challenges are locked before accounts, so `holder` is the account as it was read before the transaction.
        """
        before = holder.account
        state = state_of(before, address, now) if before else None
        changes = always or state in (AddressState.CLAIMABLE, AddressState.RECOVERY)
        if before is None or not before.may_log_in(now) or not changes:
            return self.find(tx, to, address, now)
        revoked = {*opening_addresses(before), address}
        tx.challenges.revoke(revoked)
        opening = self.find(tx, to, address, now)
        if opening is not None:
            revoke_codes_of_added_addresses(tx, opening_addresses(opening.account), revoked)
        return opening

    def find(self, tx: Transaction, to: Address, address: Address, now: float) -> Opening | None:
        """Locks the active account that has `to`; None if a code from `address` concerns none.

        The code of a companion mail counts for a verified email alone.
        """
        account = tx.accounts.lock_by_address(to, now)
        state = state_of(account, address, now) if account else None
        if account is None or state is None or not account.may_log_in(now):
            return None
        if address.key != to.key and state is not AddressState.VERIFIED:  # of a companion mail
            return None
        return Opening(account, address, state)

    def open(
        self,
        tx: Transaction,
        opening: Opening,
        identity: Identity | None,
        now: float,
        caller: Caller,
        *,
        password_hash: str | None = None,
        name: str | None = None,
        other: Address | None = None,
    ) -> tuple[Account, CodeEffects]:
        """Returns the account as the code leaves it, stored, and the effects on it.

        With `password_hash` the password is reset, which ends every session. `name` and the unverified address `other` are for
        an account that is claimed.
        """
        account, address, effects = opening.account, opening.address, NO_EFFECTS
        match opening.state:
            case AddressState.RECOVERY:
                account, effects = self._recover(tx, opening, now, caller, is_reset=password_hash is not None)
            case AddressState.CLAIMABLE if _is_own(tx, account, identity, now):
                account = verified(account, address.kind, now, 0.0)
                record(tx, EventType.ADDRESS_VERIFIED, now, caller, account_id=account.id, detail=address.kind)
            case AddressState.CLAIMABLE:
                account, effects = self._claim(tx, opening, now, caller, name, other)
            case _:
                pass  # a verified address clears nothing
        if password_hash is not None:
            account = replace(account, password_hash=password_hash)
            _revoke_access(tx, opening, now, caller)
        if account != opening.account:
            tx.accounts.save(account)
        return account, effects

    def _claim(
        self, tx: Transaction, opening: Opening, now: float, caller: Caller, name: str | None, other: Address | None
    ) -> tuple[Account, CodeEffects]:
        before, address = opening.account, opening.address
        after = replace(claimed(before, address, other, now), name=name or before.name)
        had_sessions = _revoke_access(tx, opening, now, caller)
        dropped = [gone for gone in before.addresses if not after.has(gone)]
        cleared = {
            "password": before.password_hash is not None,
            "sessions": had_sessions,
            **{gone.kind.value: True for gone in dropped},
            "image": before.image is not None,
        }
        record(tx, EventType.ACCOUNT_CLAIMED, now, caller, account_id=before.id)
        record(tx, EventType.ADDRESS_VERIFIED, now, caller, account_id=before.id, detail=address.kind)
        for to in sorted((address, *dropped), key=lambda one: one.kind):  # in one order, as their windows are locked
            notice = Notice.ADDRESS_DROPPED if to in dropped else Notice.ACCOUNT_CLAIMED
            self.notices(tx, notice, after, now, caller, to=to)
        return after, CodeEffects(cleared=tuple(name for name in cleared if cleared[name]))

    def _recover(
        self, tx: Transaction, opening: Opening, now: float, caller: Caller, *, is_reset: bool
    ) -> tuple[Account, CodeEffects]:
        before, address = opening.account, opening.address
        after = recovered(before, address)
        other = after.address(address.kind.other)
        if other is not None:
            owner = tx.accounts.lock_by_address(other, now)
            if owner is not None and owner.id != before.id:
                if after.has_verified(other) and state_of(owner, other, now) in HOLDS_NOTHING:
                    self.address_releaser(tx, [other], now, new_owner=before.id)
                else:  # verified by another person since
                    after = without(after, other.kind)
        had_sessions = _revoke_access(tx, opening, now, caller)
        record(tx, EventType.ACCOUNT_RECOVERED, now, caller, account_id=before.id, detail=address.kind)
        told = (address, *(gone for gone in before.addresses if not after.has(gone)))
        for to in sorted(told, key=lambda one: one.kind):  # in one order, as their windows are locked
            self.notices(tx, Notice.ACCOUNT_RECOVERED, after, now, caller, to=to)
        cleared = {"password": before.password_hash is not None and not is_reset, "sessions": had_sessions}
        return after, CodeEffects(cleared=tuple(name for name in cleared if cleared[name]), recovered=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressReleaser:
    """Takes proved addresses from the accounts on which they are unverified: such an address holds nothing."""

    notices: Notices

    def __call__(
        self,
        tx: Transaction,
        addresses: Iterable[Address],
        now: float,
        *,
        new_owner: int = 0,
        actor: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Removes each of the addresses from its account, unless that is `new_owner`, and notifies the account's owner.

        Neither event nor notice tells who the new owner is. Accounts are locked before the windows of notices.
        """
        released = []
        for address in addresses:
            account = tx.accounts.lock_by_address(address, now)
            if account is None or account.id == new_owner or state_of(account, address, now) not in HOLDS_NOTHING:
                continue
            tx.accounts.save(without(account, address.kind))
            record(
                tx,
                EventType.ADDRESS_RELEASED,
                now,
                TRUSTED_CALLER,
                account_id=account.id,
                detail=address.kind,
                actor=actor,
                reason=reason,
            )
            released.append(account)
        for account in released:
            self.notices(tx, Notice.ADDRESS_RELEASED, account, now, TRUSTED_CALLER)


def revoke_open_codes(tx: Transaction, account: Account, caller: Caller) -> None:
    """Revokes the codes that could open the account, before it is locked: the order of locks.

    Of an account that never had a verified address, which may be a stranger's making, only those that the caller's network
    asked for: otherwise the maker could end the codes of the address's owner.
    """
    tx.challenges.revoke(opening_addresses(account))
    if not account.ever_verified:
        tx.challenges.revoke_asked_from(caller.ip_address, account.addresses)


def opening_addresses(account: Account) -> tuple[Address, ...]:
    """The addresses whose codes open the account, but for those never verified: codes to them may be another person's."""
    verified = (address for address in account.addresses if account.has_verified(address))
    return (*verified, *(kept.address for kept in account.recovery_addresses))


def revoke_codes_of_added_addresses(
    tx: Transaction, addresses: Iterable[Address], already_revoked: Collection[Address]
) -> None:
    """Revokes codes to those addresses that the account got after it was read, which is rare, under the account's lock."""
    keys = {address.key for address in already_revoked}
    if added := [address for address in addresses if address.key not in keys]:
        tx.challenges.revoke(added)


def _revoke_access(tx: Transaction, opening: Opening, now: float, caller: Caller) -> bool:
    """Ends the sessions, and forgets networks but the caller's; returns whether there were sessions."""
    account = opening.account
    revoked = tx.sessions.revoke_all(account.id, now)
    tx.sessions.forget_networks(account.id, except_network=caller.ip_address)
    return revoked > 0


def _is_own(tx: Transaction, account: Account, identity: Identity | None, now: float) -> bool:
    if identity is None or identity.account.id != account.id:
        return False
    return tx.accounts.by_active_session(account.id, identity.session_id, now) is not None
