"""Use cases of the operator for addresses: freeing an unverified one, and setting a verified one."""

from dataclasses import dataclass

from ..domain.account import Account
from ..domain.errors import AlreadyTaken, ErrorCode, FieldError, InvalidInput, NoSuchAccount
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.ownership import HOLDS_NOTHING, state_of, verified, with_addresses
from .audit import record
from .notifications import ADDRESS_CHANGES, Notices
from .ownership import AddressReleaser, opening_addresses, revoke_codes_of_added_addresses
from .ports import Clock, Database, Identifiers
from .retry import retry_on_conflict
from .validation import Validator

_STILL_VERIFIED = FieldError(
    ErrorCode.STILL_VERIFIED, "It is verified, or recovers the account: only unverified ones can be released."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseAddress:
    """Removes an unverified email or mobile from the account that has it, and returns the account.

    Raises `InvalidInput` for a text that is no address and for an address that is verified, `NoSuchAccount`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    address_releaser: AddressReleaser
    clock: Clock

    @retry_on_conflict
    def __call__(self, *, address: str) -> Account:
        validator = Validator()
        (wanted,) = validator.valid(validator.text("address", address, self.identifiers.destination))
        with self.database.begin() as tx:
            now = self.clock()
            account = tx.accounts.lock_by_address(wanted, now)
            if account is None:
                raise NoSuchAccount
            if state_of(account, wanted, now) not in HOLDS_NOTHING:
                raise InvalidInput({"address": [_STILL_VERIFIED]})
            self.address_releaser(tx, [wanted], now)
        return account


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAddress:
    """Gives an account an email or mobile as verified, for which the operator vouches, and returns the account as it is then.

    `identifier` is a username, an email or a mobile. An address that is unverified on another account leaves it. The address
    that is replaced does not recover the account, for its owner may have lost it. Raises `InvalidInput`, `AlreadyTaken`,
    `NoSuchAccount`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    address_releaser: AddressReleaser
    notices: Notices
    clock: Clock

    @retry_on_conflict
    def __call__(self, *, identifier: str, address: str, caller: Caller = TRUSTED_CALLER) -> Account:
        validator = Validator()
        (wanted,) = validator.valid(validator.text("address", address, self.identifiers.destination))
        known = self.database.accounts.by_login(self.identifiers.login(identifier))
        if known is None:
            raise NoSuchAccount
        if self.database.accounts.taken_fields(None, [wanted], self.clock(), proved=[wanted], excluding=known.id):
            raise AlreadyTaken(wanted.kind.value)
        with self.database.begin() as tx:
            revoked = {*opening_addresses(known), wanted}
            tx.challenges.revoke(revoked)  # before the account is locked: the order of locks
            before, now = tx.accounts.lock(known.id), self.clock()
            if before is None:
                raise NoSuchAccount
            self.address_releaser(tx, [wanted], now, new_owner=before.id)
            after = verified(with_addresses(before, {wanted.kind: wanted}, now, 0.0), wanted.kind, now, 0.0)
            tx.accounts.save(after)
            revoke_codes_of_added_addresses(tx, opening_addresses(before), revoked)
            record(tx, EventType.ADDRESS_VERIFIED, now, caller, account_id=after.id, detail=wanted.kind)
            old = before.address(wanted.kind)
            if old is not None and not after.has(old):
                event, notice = ADDRESS_CHANGES[wanted.kind]
                record(tx, event, now, caller, account_id=after.id)
                self.notices(tx, notice, before, now, caller, to=old)
        return after
