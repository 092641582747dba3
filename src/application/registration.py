"""Coming to have an account."""

from dataclasses import dataclass, replace
from typing import Literal

from ..domain.account import Account
from ..domain.errors import TooManyTries
from ..domain.events import VOUCHED, Caller, Event, What
from ..domain.rate_limits import REGISTRATIONS_BY_ADDRESS, UNIQUENESS_CHECKS_BY_ADDRESS, Limit
from .audit import write_proven
from .ports import Clock, Database, Hasher, Throttle, Unreadable
from .retry import once_more
from .validation import AccountRules, Reading, own_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """A new account. Its addresses are unproven, but for those whose `proofs` (from `VerifyCode`) come along.

    Raises `InvalidInput`, `AlreadyTaken`, `TooManyTries`, `Overloaded`, `Unavailable`.
    """

    database: Database
    hasher: Hasher
    throttle: Throttle
    rules: AccountRules
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
        caller: Caller = VOUCHED,
    ) -> Account:
        _take(self.throttle, "register", caller, REGISTRATIONS_BY_ADDRESS, self.clock())
        applicant, secret = self._applicant(username, name, email, mobile, password, proofs)
        return self._store(replace(applicant, password_hash=self.hasher.hash(secret)), caller)

    def superuser(self, *, username: str, name: str, email: str, password: str) -> Account:
        """An account that may do everything. Whoever runs the service vouches for its email."""
        applicant, secret = self._applicant(username, name, email, None, password, (), vouched=True)
        vouched = replace(applicant, is_superuser=True, is_staff=True, email_proven=True, settled=True)
        return self._store(replace(vouched, password_hash=self.hasher.hash(secret)), VOUCHED)

    def _applicant(
        self,
        username: str,
        name: str,
        email: str,
        mobile: str | None,
        password: str,
        proofs: tuple[str, ...],
        *,
        vouched: bool = False,
    ) -> tuple[Account, str]:
        read, identifiers = Reading(), self.rules.identifiers
        wanted = read.text("username", username, identifiers.username)
        called = read.text("name", name, identifiers.name)
        mail = read.text("email", email, identifiers.email)
        phone = read.text("mobile", mobile, identifiers.mobile, required=self.rules.mobile_required and not vouched)
        secret = read.password("password", password)
        self.rules.judge_password(read, secret, own_words(wanted.text if wanted else None, called, mail, phone))
        addresses = [address for address in (mail, phone) if address]
        read.taken(self.database.accounts.taken(wanted, addresses))
        given = read.texts("proofs", proofs)
        proven = frozenset() if vouched else self.rules.proven(read, self.database, addresses, addresses, given)
        read.refuse()
        assert wanted and called and mail and secret  # noqa: S101 — `refuse` has raised otherwise
        applicant = Account(
            username=wanted,
            name=called,
            email=mail,
            mobile=phone,
            email_proven=mail in proven,
            mobile_proven=phone in proven,
            settled=bool(proven),
            created_at=self.clock(),
        )
        return applicant, secret

    @once_more
    def _store(self, applicant: Account, caller: Caller) -> Account:
        with self.database.begin() as tx:
            account = tx.accounts.add(applicant)
            tx.journal.add(Event(what=What.REGISTERED, at=account.created_at, account_id=account.id, caller=caller))
            write_proven(tx, None, account, account.created_at, caller)
        return account


Property = Literal["username", "email", "mobile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckUnique:
    """Whether `Register` would find that username, email or mobile free.

    Raises `InvalidInput` for a value that could never be registered, `TooManyTries`, `Unavailable`.
    """

    database: Database
    throttle: Throttle
    rules: AccountRules
    clock: Clock

    def __call__(self, *, prop: Property, value: str, caller: Caller = VOUCHED) -> bool:
        _take(self.throttle, "isunique", caller, UNIQUENESS_CHECKS_BY_ADDRESS, self.clock())
        read, identifiers = Reading(), self.rules.identifiers
        wanted = read.text("prop", prop, _property)
        username = address = None
        if wanted == "username":
            username = read.text("value", value, identifiers.username)
        elif wanted is not None:
            address = read.text("value", value, identifiers.email if wanted == "email" else identifiers.mobile)
        else:
            read.text("value", value, str)
        read.refuse()
        return not self.database.accounts.taken(username, [address] if address else [])


def _property(text: str) -> Property:
    match text.strip():
        case "username" | "email" | "mobile" as prop:
            return prop
        case _:
            raise Unreadable("This must be one of username, email, mobile.")


def _take(throttle: Throttle, what: str, caller: Caller, limits: tuple[Limit, ...], now: float) -> None:
    if caller.address is not None and (wait := throttle.take(f"{what}:{caller.address}", limits, now)):
        raise TooManyTries(wait)
