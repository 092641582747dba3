"""Coming to have an account."""

from dataclasses import dataclass, replace
from typing import Literal

from ..domain.account import Account
from ..domain.errors import RateLimited
from ..domain.events import TRUSTED_CALLER, Caller, Event, EventType
from ..domain.rate_limits import REGISTRATIONS_BY_ADDRESS, UNIQUENESS_CHECKS_BY_ADDRESS, RateLimit
from .audit import record_verified_addresses
from .ports import Clock, Database, Hasher, InvalidText, RateLimiter
from .retry import retry_on_conflict
from .validation import AccountRules, Validator, personal_data


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """A new account. Its addresses are unproven, but for those whose `proofs` (from `VerifyCode`) come along.

    Raises `InvalidInput`, `AlreadyTaken`, `RateLimited`, `Overloaded`, `Unavailable`.
    """

    database: Database
    hasher: Hasher
    rate_limiter: RateLimiter
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
        caller: Caller = TRUSTED_CALLER,
    ) -> Account:
        _take(self.rate_limiter, "register", caller, REGISTRATIONS_BY_ADDRESS, self.clock())
        applicant, secret = self._applicant(username, name, email, mobile, password, proofs)
        return self._store(replace(applicant, password_hash=self.hasher.hash(secret)), caller)

    def superuser(self, *, username: str, name: str, email: str, password: str) -> Account:
        """An account that may do everything. Whoever runs the service vouches for its email."""
        applicant, secret = self._applicant(username, name, email, None, password, (), vouched=True)
        vouched = replace(applicant, is_superuser=True, is_staff=True, email_verified=True, owner_verified=True)
        return self._store(replace(vouched, password_hash=self.hasher.hash(secret)), TRUSTED_CALLER)

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
        read, identifiers = Validator(), self.rules.identifiers
        wanted = read.text("username", username, identifiers.username)
        called = read.text("name", name, identifiers.name)
        mail = read.text("email", email, identifiers.email)
        phone = read.text("mobile", mobile, identifiers.mobile, required=self.rules.mobile_required and not vouched)
        secret = read.password("password", password)
        self.rules.check_password(read, secret, personal_data(wanted.text if wanted else None, called, mail, phone))
        addresses = [address for address in (mail, phone) if address]
        read.add_taken(self.database.accounts.taken_fields(wanted, addresses))
        given = read.texts("proofs", proofs)
        proven = frozenset() if vouched else self.rules.verified_addresses(read, self.database, addresses, addresses, given)
        read.raise_if_invalid()
        assert wanted and called and mail and secret  # noqa: S101 — `refuse` has raised otherwise
        applicant = Account(
            username=wanted,
            name=called,
            email=mail,
            mobile=phone,
            email_verified=mail in proven,
            mobile_verified=phone in proven,
            owner_verified=bool(proven),
            created_at=self.clock(),
        )
        return applicant, secret

    @retry_on_conflict
    def _store(self, applicant: Account, caller: Caller) -> Account:
        with self.database.begin() as tx:
            account = tx.accounts.add(applicant)
            tx.audit_log.add(
                Event(type=EventType.REGISTERED, occurred_at=account.created_at, account_id=account.id, caller=caller)
            )
            record_verified_addresses(tx, None, account, account.created_at, caller)
        return account


Property = Literal["username", "email", "mobile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckUnique:
    """Whether `Register` would find that username, email or mobile free.

    Raises `InvalidInput` for a value that could never be registered, `RateLimited`, `Unavailable`.
    """

    database: Database
    rate_limiter: RateLimiter
    rules: AccountRules
    clock: Clock

    def __call__(self, *, prop: Property, value: str, caller: Caller = TRUSTED_CALLER) -> bool:
        _take(self.rate_limiter, "isunique", caller, UNIQUENESS_CHECKS_BY_ADDRESS, self.clock())
        read, identifiers = Validator(), self.rules.identifiers
        wanted = read.text("prop", prop, _property)
        username = address = None
        if wanted == "username":
            username = read.text("value", value, identifiers.username)
        elif wanted is not None:
            address = read.text("value", value, identifiers.email if wanted == "email" else identifiers.mobile)
        else:
            read.text("value", value, str)
        read.raise_if_invalid()
        return not self.database.accounts.taken_fields(username, [address] if address else [])


def _property(text: str) -> Property:
    match text.strip():
        case "username" | "email" | "mobile" as prop:
            return prop
        case _:
            raise InvalidText("This must be one of username, email, mobile.")


def _take(rate_limiter: RateLimiter, what: str, caller: Caller, limits: tuple[RateLimit, ...], now: float) -> None:
    if caller.address is not None and (wait := rate_limiter.hit(f"{what}:{caller.address}", limits, now)):
        raise RateLimited(wait)
