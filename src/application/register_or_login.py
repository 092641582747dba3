"""Registering or logging in, whichever it turns out to be, by a code."""

from dataclasses import dataclass

from ..domain.account import Account, Address, AddressKind, Username
from ..domain.code import CodePurpose
from ..domain.errors import AccountMismatch, Refusal
from ..domain.events import TRUSTED_CALLER, Caller, Event, EventType
from ..domain.session import Session
from .audit import record_verified_addresses
from .codes import (
    CodeCheck,
    CodeSender,
    CodeSent,
    CodeSignIn,
    CodeVerification,
    Recipient,
    accepts_code,
    find_owner,
    revoke_codes_first,
)
from .ports import Database, Identifiers, Transaction
from .retry import retry_on_conflict
from .tokens import TokenSet
from .validation import Validator


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRegistrationCode:
    """Sends a code to the email and another to the mobile; either will do. Whose they are changes nothing but the spelling.

    Raises `InvalidInput`, `RateLimited`, `Unavailable`.
    """

    identifiers: Identifiers
    code_sender: CodeSender

    def __call__(self, *, name: str, email: str, mobile: str, caller: Caller = TRUSTED_CALLER) -> CodeSent:
        read = Validator()
        _, mail, phone = _read(read, self.identifiers, name, email, mobile)
        read.raise_if_invalid()
        assert mail and phone  # noqa: S101 — `refuse` has raised otherwise
        named = [find_owner(self.code_sender.database.accounts, address)[1] for address in (mail, phone)]
        return self.code_sender.send(CodePurpose.REGISTER_OR_LOGIN, named, [Recipient(address) for address in named], caller)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterOrLogIn:
    """A session for who brings back a code: of the account that has the email and the mobile, else of a new one.

    A new account has the mobile as its username, no password, and only the address proven whose code came back. An account
    that has one of the two and none of the other kind is logged in to by the code of the one it has.
    Raises `InvalidInput`, `InvalidCode`, `AccountMismatch` (after a right code only), `RateLimited`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    code_check: CodeCheck
    code_sign_in: CodeSignIn

    @retry_on_conflict
    def __call__(self, *, name: str, email: str, mobile: str, verify_otp: str, caller: Caller = TRUSTED_CALLER) -> TokenSet:
        read = Validator()
        called, mail, phone = _read(read, self.identifiers, name, email, mobile)
        code = read.text("verify_otp", verify_otp, str.strip)
        read.raise_if_invalid()
        assert called and mail and phone and code  # noqa: S101 — `refuse` has raised otherwise
        with self.database.begin() as tx:
            attempt = self.code_check(tx, CodePurpose.REGISTER_OR_LOGIN, [mail, phone], code, caller)
            answer = self._conclude(tx, attempt, called, mail, phone)
        if isinstance(answer, Session):
            return self.code_sign_in.session_issuer.token_set(answer)
        raise answer

    def _conclude(
        self, tx: Transaction, attempt: CodeVerification, name: str, mail: Address, phone: Address
    ) -> Session | Refusal:
        if attempt.matched is None:
            attempt.record_failure(tx)
            return attempt.refusal()
        address, now, caller = attempt.matched.address, attempt.now, attempt.caller
        known = {owner.id: owner for one in (mail, phone) if (owner := tx.accounts.by_address(one))}
        revoked: tuple[Address, ...] = ()
        if len(known) == 1 and _could_be_of(owner := next(iter(known.values())), address, mail, phone):
            revoked = revoke_codes_first(tx, owner, address)
        owners = {owner.id: owner for one in (mail, phone) if (owner := tx.accounts.lock_by_address(one))}
        if not owners:
            attempt.consume(tx)
            account = tx.accounts.add(self._new(tx, address, name, mail, phone, now))
            tx.audit_log.add(Event(type=EventType.REGISTERED, occurred_at=now, account_id=account.id, caller=caller))
            record_verified_addresses(tx, None, account, now, caller)
            return self.code_sign_in.session_issuer.start(tx, account, now, caller, f"code:{address.kind}")
        account, *others = owners.values()
        if others or not _could_be_of(account, address, mail, phone):
            attempt.consume(tx)
            return AccountMismatch()
        if not accepts_code(account, address):
            attempt.record_failure(tx)
            return attempt.refusal()
        attempt.consume(tx)
        return self.code_sign_in(tx, account, address, now, caller, name=name, revoked=revoked)

    def _new(self, tx: Transaction, proven: Address, name: str, mail: Address, phone: Address, now: float) -> Account:
        return Account(
            username=self._username(tx, phone),
            name=name,
            email=mail,
            mobile=phone,
            email_verified=proven.kind is AddressKind.EMAIL,
            mobile_verified=proven.kind is AddressKind.MOBILE,
            owner_verified=True,
            created_at=now,
        )

    def _username(self, tx: Transaction, phone: Address) -> Username:
        attempt = 1
        while tx.accounts.taken_fields(username := self.identifiers.username_of_mobile(phone, attempt), []):
            attempt += 1
        return username


def _could_be_of(account: Account, proven: Address, mail: Address, phone: Address) -> bool:
    """Whether the account has both, or has the proven one and none of the other kind."""
    return account.has(proven) and all(account.has(one) or account.address(one.kind) is None for one in (mail, phone))


def _read(
    read: Validator, identifiers: Identifiers, name: str, email: str, mobile: str
) -> tuple[str | None, Address | None, Address | None]:
    return (
        read.text("name", name, identifiers.name),
        read.text("email", email, identifiers.email),
        read.text("mobile", mobile, identifiers.mobile),
    )
