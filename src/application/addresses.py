"""Use cases of the operator for addresses: freeing an unverified one, and setting a verified one."""

from dataclasses import dataclass

from ..domain.account import Account
from ..domain.errors import AlreadyTaken, ErrorCode, FieldError, InvalidInput, NoSuchAccount
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.ownership import HOLDS_NOTHING, state_of, verified, with_addresses
from .notifications import ADDRESS_CHANGES, Notices
from .operators import PROGRAM, Operator, Operators
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

    Raises `InvalidInput` for a text that is no address and for an address that is verified, `NoSuchAccount`, `Unavailable`, and
    the refusals of an operator who is a person, as `EditAccount` does.
    """

    database: Database
    identifiers: Identifiers
    address_releaser: AddressReleaser
    operators: Operators
    clock: Clock

    @retry_on_conflict
    def __call__(
        self,
        *,
        address: str,
        operator: Operator = PROGRAM,
        reason: str | None = None,
        current_password: str | None = None,
        caller: Caller = TRUSTED_CALLER,
    ) -> Account:
        validator = Validator()
        read = validator.text("address", address, self.identifiers.destination)
        action = self.operators.admit_change(operator, self, validator, reason, current_password, caller)
        (wanted,) = validator.valid(read)
        with self.database.begin() as tx:
            now = self.clock()
            account = tx.accounts.lock_by_address(wanted, now)
            if account is None:
                raise NoSuchAccount
            self.operators.check_target(tx, operator, self, account)
            if state_of(account, wanted, now) not in HOLDS_NOTHING:
                raise InvalidInput({"address": [_STILL_VERIFIED]})
            self.address_releaser(tx, [wanted], now, actor=action.actor, reason=action.reason)
        return account


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAddress:
    """Gives an account an email or mobile as verified, for which the operator vouches, and returns the account as it is then.

    `identifier` is a username, an email or a mobile. An address that is unverified on another account leaves it. The address
    that is replaced does not recover the account, for its owner may have lost it. Raises `InvalidInput`, `AlreadyTaken`,
    `NoSuchAccount`, `Unavailable`, and the refusals of an operator who is a person, as `EditAccount` does.
    """

    database: Database
    identifiers: Identifiers
    address_releaser: AddressReleaser
    operators: Operators
    notices: Notices
    clock: Clock

    @retry_on_conflict
    def __call__(
        self,
        *,
        identifier: str,
        address: str,
        operator: Operator = PROGRAM,
        reason: str | None = None,
        current_password: str | None = None,
        caller: Caller = TRUSTED_CALLER,
    ) -> Account:
        validator = Validator()
        read = validator.text("address", address, self.identifiers.destination)
        action = self.operators.admit_change(operator, self, validator, reason, current_password, caller)
        (wanted,) = validator.valid(read)
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
            self.operators.check_target(tx, operator, self, before)
            self.address_releaser(tx, [wanted], now, new_owner=before.id, actor=action.actor, reason=action.reason)
            after = verified(with_addresses(before, {wanted.kind: wanted}, now, 0.0), wanted.kind, now, 0.0)
            tx.accounts.save(after)
            revoke_codes_of_added_addresses(tx, opening_addresses(before), revoked)
            action.record(tx, EventType.ADDRESS_VERIFIED, now, after, wanted.kind)
            old = before.address(wanted.kind)
            if old is not None and not after.has(old):
                event, notice = ADDRESS_CHANGES[wanted.kind]
                action.record(tx, event, now, after)
                self.notices(tx, notice, before, now, caller, to=old)
        return after
