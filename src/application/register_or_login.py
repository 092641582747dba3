"""Registering or logging in, whichever it turns out to be, by a code."""

from dataclasses import dataclass

from ..domain.account import Account, Address, Kind, Username
from ..domain.code import Flow
from ..domain.errors import DifferentAccounts, Refusal
from ..domain.events import VOUCHED, Caller, Event, What
from ..domain.session import Session
from .audit import write_proven
from .codes import Attempt, CodeCheck, CodeSender, EnterByCode, Sent, Target, can_enter, looked_up
from .ports import Database, Identifiers, Transaction
from .retry import once_more
from .tokens import TokenSet
from .validation import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRegistrationCode:
    """Sends a code to the email and another to the mobile; either will do. Whose they are changes nothing but the spelling.

    Raises `InvalidInput`, `TooManyTries`, `Unavailable`.
    """

    identifiers: Identifiers
    sender: CodeSender

    def __call__(self, *, name: str, email: str, mobile: str, caller: Caller = VOUCHED) -> Sent:
        read = Reading()
        _, mail, phone = _read(read, self.identifiers, name, email, mobile)
        read.refuse()
        assert mail and phone  # noqa: S101 — `refuse` has raised otherwise
        named = [looked_up(self.sender.database.accounts, address)[1] for address in (mail, phone)]
        return self.sender.send(Flow.REGISTER_OR_LOGIN, named, [Target(address) for address in named], caller)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterOrLogIn:
    """A session for who brings back a code: of the account that has the email and the mobile, else of a new one.

    A new account has the mobile as its username, no password, and only the address proven whose code came back. An account
    that has one of the two and none of the other kind is logged in to by the code of the one it has.
    Raises `InvalidInput`, `WrongCode`, `DifferentAccounts` (after a right code only), `TooManyTries`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    check: CodeCheck
    enter: EnterByCode

    @once_more
    def __call__(self, *, name: str, email: str, mobile: str, verify_otp: str, caller: Caller = VOUCHED) -> TokenSet:
        read = Reading()
        called, mail, phone = _read(read, self.identifiers, name, email, mobile)
        code = read.text("verify_otp", verify_otp, str.strip)
        read.refuse()
        assert called and mail and phone and code  # noqa: S101 — `refuse` has raised otherwise
        with self.database.begin() as tx:
            attempt = self.check(tx, Flow.REGISTER_OR_LOGIN, [mail, phone], code, caller)
            answer = self._conclude(tx, attempt, called, mail, phone)
        if isinstance(answer, Session):
            return self.enter.sign_in.token_set(answer)
        raise answer

    def _conclude(self, tx: Transaction, attempt: Attempt, name: str, mail: Address, phone: Address) -> Session | Refusal:
        if attempt.right is None:
            attempt.miss(tx)
            return attempt.refusal()
        address, now, caller = attempt.right.address, attempt.now, attempt.caller
        owners = {owner.id: owner for one in (mail, phone) if (owner := tx.accounts.claim_having(one))}
        if not owners:
            attempt.use(tx)
            account = tx.accounts.add(self._new(tx, address, name, mail, phone, now))
            tx.journal.add(Event(what=What.REGISTERED, at=now, account_id=account.id, caller=caller))
            write_proven(tx, None, account, now, caller)
            return self.enter.sign_in.begin(tx, account, now, caller, f"code:{address.kind}")
        account, *others = owners.values()
        if others or not _could_be_of(account, address, mail, phone):
            attempt.use(tx)
            return DifferentAccounts()
        if not can_enter(account, address):
            attempt.miss(tx)
            return attempt.refusal()
        attempt.use(tx)
        return self.enter(tx, account, address, now, caller, name=name)

    def _new(self, tx: Transaction, proven: Address, name: str, mail: Address, phone: Address, now: float) -> Account:
        return Account(
            username=self._username(tx, phone),
            name=name,
            email=mail,
            mobile=phone,
            email_proven=proven.kind is Kind.EMAIL,
            mobile_proven=proven.kind is Kind.MOBILE,
            settled=True,
            created_at=now,
        )

    def _username(self, tx: Transaction, phone: Address) -> Username:
        attempt = 1
        while tx.accounts.taken(username := self.identifiers.username_of_mobile(phone, attempt), []):
            attempt += 1
        return username


def _could_be_of(account: Account, proven: Address, mail: Address, phone: Address) -> bool:
    """Whether the account has both, or has the proven one and none of the other kind."""
    return account.has(proven) and all(account.has(one) or account.address(one.kind) is None for one in (mail, phone))


def _read(
    read: Reading, identifiers: Identifiers, name: str, email: str, mobile: str
) -> tuple[str | None, Address | None, Address | None]:
    return (
        read.text("name", name, identifiers.name),
        read.text("email", email, identifiers.email),
        read.text("mobile", mobile, identifiers.mobile),
    )
