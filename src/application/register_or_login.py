"""Registering or logging in by a code, whichever applies."""

from dataclasses import dataclass
from itertools import count

from ..domain.account import Account, Address, AddressKind, Username
from ..domain.code import CodePurpose
from ..domain.errors import AccountMismatch, Refusal
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.session import Session
from .audit import record, record_verified_addresses
from .code_checks import CodeCheck, CodeVerifier, accepts_code, claim_if_needed, revoke_codes_before_claim
from .code_requests import CodeIssuer, Recipient, RequestedCode, in_owners_spelling
from .ports import Database, Identifiers, Transaction
from .retry import retry_on_conflict
from .tokens import SessionIssuer, TokenSet
from .validation import Validator


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRegistrationCode:
    """Issues a code to the email and another to the mobile; either is accepted.

    An existing account affects only the spelling of the recipients' addresses, never whether a code is sent.

    Raises `InvalidInput`, `RateLimited`, `Overloaded`, `Unavailable`.
    """

    identifiers: Identifiers
    code_issuer: CodeIssuer

    def __call__(self, *, name: str, email: str, mobile: str, caller: Caller = TRUSTED_CALLER) -> RequestedCode:
        validator = Validator()
        _, *addresses = validator.valid(*_read(validator, self.identifiers, name, email, mobile))
        accounts = self.code_issuer.database.accounts
        requested = [in_owners_spelling(address, accounts.by_address(address)) for address in addresses]
        recipients = [Recipient(address) for address in requested]
        return self.code_issuer.issue(CodePurpose.REGISTER_OR_LOGIN, requested, recipients, caller)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterOrLogIn:
    """Logs in by a code to the account that has the email and the mobile, or creates one.

    A new account has the mobile as its username, no password, and only the address verified whose code came back. An account
    that has one of the two addresses, and none of the other kind, is logged in to by the code of the one it has.
    Raises `InvalidInput`, `InvalidCode`, `AccountMismatch` (after a right code only), `RateLimited`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    code_verifier: CodeVerifier
    session_issuer: SessionIssuer

    @retry_on_conflict
    def __call__(self, *, name: str, email: str, mobile: str, verify_otp: str, caller: Caller = TRUSTED_CALLER) -> TokenSet:
        validator = Validator()
        fields = _read(validator, self.identifiers, name, email, mobile)
        valid_name, valid_email, valid_mobile, code = validator.valid(
            *fields, validator.text("verify_otp", verify_otp, str.strip)
        )
        with self.database.begin() as tx:
            check = self.code_verifier(tx, CodePurpose.REGISTER_OR_LOGIN, [valid_email, valid_mobile], code, caller)
            result = self._start_session(tx, check, valid_name, valid_email, valid_mobile)
        if isinstance(result, Session):
            return self.session_issuer.token_set(result)
        raise result

    def _start_session(
        self, tx: Transaction, check: CodeCheck, name: str, email: Address, mobile: Address
    ) -> Session | Refusal:
        if check.matched is None:
            check.record_failure(tx)
            return check.refusal()
        verified, now, caller = check.matched.address, check.now, check.caller
        revoked = _revoke_codes_before_claim(tx, verified, email, mobile)
        owners = {owner.id: owner for address in (email, mobile) if (owner := tx.accounts.lock_by_address(address))}
        if not owners:
            check.consume(tx)
            account = tx.accounts.add(self._new(tx, verified, name, email, mobile, now))
            record(tx, EventType.REGISTERED, now, caller, account_id=account.id)
            record_verified_addresses(tx, None, account, now, caller)
            return self.session_issuer.start(tx, account, now, caller, f"code:{verified.kind}")
        account, *others = owners.values()
        if others or not _matches(account, verified, email, mobile):
            check.consume(tx)
            return AccountMismatch()
        if not accepts_code(account, verified):
            check.record_failure(tx)
            return check.refusal()
        check.consume(tx)
        account = claim_if_needed(tx, check, account, verified, revoked, name)
        return self.session_issuer.start(tx, account, now, caller, f"code:{verified.kind}")

    def _new(self, tx: Transaction, verified: Address, name: str, email: Address, mobile: Address, now: float) -> Account:
        return Account(
            username=self._username(tx, mobile),
            name=name,
            email=email,
            mobile=mobile,
            email_verified=verified.kind is AddressKind.EMAIL,
            mobile_verified=verified.kind is AddressKind.MOBILE,
            owner_verified=True,
            created_at=now,
        )

    def _username(self, tx: Transaction, mobile: Address) -> Username:
        usernames = (self.identifiers.username_of_mobile(mobile, variant) for variant in count(1))
        return next(username for username in usernames if not tx.accounts.taken_fields(username, []))


def _revoke_codes_before_claim(tx: Transaction, verified: Address, email: Address, mobile: Address) -> tuple[Address, ...]:
    """`revoke_codes_before_claim`, if both addresses lead to one account that will be logged in to."""
    owners = {owner.id: owner for address in (email, mobile) if (owner := tx.accounts.by_address(address))}
    owner = next(iter(owners.values())) if len(owners) == 1 else None
    return revoke_codes_before_claim(tx, owner, verified) if owner and _matches(owner, verified, email, mobile) else ()


def _matches(account: Account, verified: Address, email: Address, mobile: Address) -> bool:
    """Returns whether the account has both addresses, or the verified one and none of the other kind."""
    return account.has(verified) and all(
        account.has(address) or account.address(address.kind) is None for address in (email, mobile)
    )


def _read(
    validator: Validator, identifiers: Identifiers, name: str, email: str, mobile: str
) -> tuple[str | None, Address | None, Address | None]:
    return (
        validator.text("name", name, identifiers.name),
        validator.text("email", email, identifiers.email),
        validator.text("mobile", mobile, identifiers.mobile),
    )
