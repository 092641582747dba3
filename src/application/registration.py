"""Registration, and the check of a value's uniqueness before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from ..domain.account import Account, Address, AddressKind
from ..domain.errors import AlreadyTaken, InvitationRequired
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.invitation import Invitation, invited_by
from ..domain.rate_limits import Limits, RateLimits
from ..domain.texts import trimmed
from .audit import record, record_verified_addresses
from .network_limits import network_refusal
from .operators import PROGRAM, Action, Operator, Operators
from .ownership import AddressReleaser
from .ports import Applicant, Clock, Database, Hasher, InvalidText, RateLimiter, Transaction
from .retry import retry_on_conflict
from .validation import ADMIT_ALL, AccountRules, ProvedAddresses, Validator, personal_data


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Creates an account. Its addresses are unverified, except those with one of `proofs` (from `VerifyCode`).

    A proved address leaves the account on which it is unverified. The token of an invitation is the proof of its address.

    Raises `InvalidInput`, `AlreadyTaken`, `RateLimited`, `Overloaded`, `Unavailable`, and the refusals of the admission:
    `RegistrationClosed`, and `InvitationRequired` unless one of the proved addresses has an open invitation.
    """

    database: Database
    hasher: Hasher
    rate_limiter: RateLimiter
    limits: Limits
    rules: AccountRules
    address_releaser: AddressReleaser
    clock: Clock

    def __call__(
        self,
        *,
        username: str,
        name: str,
        email: str,
        password: str,
        mobile: str | None = None,
        proofs: tuple[str, ...] = (),
        caller: Caller = TRUSTED_CALLER,
    ) -> Account:
        _hit(self.rate_limiter, "registrations", caller, self.limits.registrations_per_network, self.clock())
        fields = {"username": username, "name": name, "email": email, "mobile": mobile, "password": password}
        account, proved = _validated(self.rules, self.database, fields, proofs, caller)
        return self._store(replace(account, password_hash=self.hasher.hash(password)), proved, caller)

    @retry_on_conflict
    def _store(self, new: Account, proved: ProvedAddresses, caller: Caller) -> Account:
        with self.database.begin() as tx:
            proved.spend(tx)
            if taken := tx.accounts.taken_fields(None, new.addresses, new.created_at, proved=proved.addresses):
                raise AlreadyTaken(*sorted(taken))  # since the check before the hashing
            self.address_releaser(tx, proved.addresses, new.created_at)
            return _add(tx, new, caller, proved.use_invitations(tx, new.created_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSuperuser:
    """Creates an account with every permission, for the operator, who vouches for its email and may use a reserved username.

    Raises `InvalidInput`, `AlreadyTaken`, `Overloaded`, `Unavailable`, and the refusals of an operator who is a person, as
    `EditAccount` does.
    """

    database: Database
    hasher: Hasher
    rules: AccountRules
    address_releaser: AddressReleaser
    operators: Operators

    def __call__(
        self,
        *,
        username: str,
        name: str,
        email: str,
        password: str,
        operator: Operator = PROGRAM,
        reason: str | None = None,
        current_password: str | None = None,
        caller: Caller = TRUSTED_CALLER,
    ) -> Account:
        action = self.operators.admit_change(operator, self, Validator(), reason, current_password, caller)
        rules = replace(
            self.rules,
            admission=ADMIT_ALL,
            mobile_required=False,
            email_verification_required=False,
            mobile_verification_required=False,
        )
        fields = {"username": username, "name": name, "email": email, "mobile": None, "password": password}
        account, _ = _validated(rules, self.database, fields, (), TRUSTED_CALLER, vouches=True)
        superuser = replace(account, is_superuser=True, email_verified=True, ever_verified=True)
        return self._store(operator, replace(superuser, password_hash=self.hasher.hash(password)), action)

    @retry_on_conflict
    def _store(self, operator: Operator, new: Account, action: Action) -> Account:
        with self.database.begin() as tx:
            self.operators.check(tx, operator, self)
            self.address_releaser(tx, new.addresses, new.created_at, actor=action.actor, reason=action.reason)
            account = tx.accounts.add(new)
            action.record(tx, EventType.REGISTERED, account.created_at, account)
            action.record(tx, EventType.ADDRESS_VERIFIED, account.created_at, account, AddressKind.EMAIL)
        return account


def _validated(
    rules: AccountRules,
    database: Database,
    fields: Mapping[str, object],
    proofs: tuple[str, ...],
    caller: Caller,
    *,
    vouches: bool = False,
) -> tuple[Account, ProvedAddresses]:
    """Returns the new account, still without a hash, and the addresses that its proofs verify.

    The caller that `vouches` for the addresses needs no proof to take those that are unverified on another account, and may use
    a reserved username.
    """
    validator, identifiers = Validator(), rules.identifiers
    read_username = partial(identifiers.username, reserved=True) if vouches else identifiers.username
    username = validator.text("username", fields["username"], read_username)
    name = validator.text("name", fields["name"], identifiers.name)
    email = validator.text("email", fields["email"], identifiers.email)
    mobile = validator.text("mobile", fields["mobile"], identifiers.mobile, required=rules.mobile_required)
    password = validator.password("password", fields["password"])
    rules.check_password(validator, password, personal_data(username.text if username else None, name, email, mobile))
    addresses = [address for address in (email, mobile) if address]
    rules.check_addresses(validator, addresses)
    applicant = Applicant(username=username, name=name, email=email, mobile=mobile, caller=caller)
    proved, now = _admitted(rules, validator, database, applicant, addresses, proofs), rules.clock()
    free = addresses if vouches else proved.addresses
    validator.add_taken(database.accounts.taken_fields(username, addresses, now, proved=free))
    valid_username, valid_name, valid_email = validator.valid(username, name, email)
    account = Account(
        username=valid_username,
        name=valid_name,
        email=valid_email,
        mobile=mobile,
        email_verified=email in proved.addresses,
        mobile_verified=mobile in proved.addresses,
        ever_verified=bool(proved.addresses),
        created_at=now,
    )
    return account, proved


def _admitted(
    rules: AccountRules,
    validator: Validator,
    database: Database,
    applicant: Applicant,
    addresses: Sequence[Address],
    proofs: tuple[str, ...],
) -> ProvedAddresses:
    """Returns the addresses that the proofs verify. Raises the refusal of the admission before any account is looked up."""
    refusal = rules.admission.refusal(applicant)
    wants_invitation = isinstance(refusal, InvitationRequired)
    if refusal is not None and not wants_invitation:
        raise refusal
    proved = rules.proved_addresses(
        validator, database, addresses, addresses, proofs, applicant.caller, wants_invitation=wants_invitation
    )
    if refusal is not None and not proved.invited:
        validator.raise_if_invalid()
        raise refusal
    return proved


def _add(tx: Transaction, new: Account, caller: Caller, invitations: Sequence[Invitation] = ()) -> Account:
    account = tx.accounts.add(new)
    detail = invited_by(invitations)
    record(tx, EventType.REGISTERED, account.created_at, caller, account_id=account.id, detail=detail)
    record_verified_addresses(tx, None, account, account.created_at, caller)
    return account


Property = Literal["username", "email", "mobile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckUnique:
    """Returns whether `Register` would find that username, email or mobile free.

    Raises `InvalidInput` for a value that could never be registered, `RateLimited`, `Unavailable`.
    """

    database: Database
    rate_limiter: RateLimiter
    limits: Limits
    rules: AccountRules
    clock: Clock

    def __call__(self, *, prop: Property, value: str, caller: Caller = TRUSTED_CALLER) -> bool:
        _hit(self.rate_limiter, "uniqueness-checks", caller, self.limits.uniqueness_checks_per_network, self.clock())
        validator, identifiers = Validator(), self.rules.identifiers
        wanted = validator.text("prop", prop, _property)
        username = address = None
        if wanted == "username":
            username = validator.text("value", value, identifiers.username)
        elif wanted is not None:
            address = validator.text("value", value, identifiers.email if wanted == "email" else identifiers.mobile)
            if address and (error := self.rules.admission.address_error(address)):
                validator.add_error("value", error)
        else:
            validator.text("value", value, str)
        validator.raise_if_invalid()
        return not self.database.accounts.taken_fields(username, [address] if address else [], self.clock())


def _property(text: str) -> Property:
    match trimmed(text):
        case "username" | "email" | "mobile" as prop:
            return prop
        case _:
            raise InvalidText("This must be one of username, email, mobile.")


def _hit(rate_limiter: RateLimiter, policy: str, caller: Caller, limits: RateLimits, now: float) -> None:
    if caller.ip_address is not None and (refusal := network_refusal(rate_limiter, policy, caller.ip_address, limits, now)):
        raise refusal
