"""Logging in with a password."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..domain.account import Account
from ..domain.errors import InvalidCredentials, RateLimited
from ..domain.events import TRUSTED_CALLER, Caller, Event, EventType
from ..domain.rate_limits import (
    FAILED_LOGINS_BY_ADDRESS,
    FAILED_LOGINS_BY_IDENTITY,
    FAILED_LOGINS_BY_IDENTITY_AND_ADDRESS,
    RateLimit,
    SlidingWindow,
)
from ..domain.session import Session
from .ports import Clock, Codes, Database, Hasher, Identifiers, LoginIdentifier, Transaction
from .retry import retry_on_conflict
from .tokens import SessionIssuer, TokenSet
from .validation import Validator

_MOST_LOOKS = 3
_KEPT_SECONDS = 3600.0

Guards = tuple[tuple[str, tuple[RateLimit, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogIn:
    """A session for who knows the password; `username` may be a username, an email or a mobile.

    Failures are counted before their answer is given: of any number of guesses at once, no more learn that they were wrong
    than the limits allow, and a right one beyond them is refused too. Unknown, inactive and passwordless accounts cost and
    answer the same. Raises `InvalidInput`, `InvalidCredentials`, `RateLimited`, `Overloaded`, `Unavailable`.
    """

    database: Database
    hasher: Hasher
    identifiers: Identifiers
    codes: Codes
    session_issuer: SessionIssuer
    clock: Clock
    limits_by_address: bool = True

    def __call__(self, *, username: str, password: str, caller: Caller = TRUSTED_CALLER) -> TokenSet:
        read = Validator()
        login = read.text("username", username, self.identifiers.login)
        secret = read.password("password", password)
        read.raise_if_invalid()
        assert login and secret  # noqa: S101 — `refuse` has raised otherwise
        guards = self._guards(login, caller)
        self._refuse_beyond(guards, self.database.rate_limits.get([key for key, _ in guards]))
        account = self.database.accounts.by_login(login)
        for _ in range(_MOST_LOOKS):
            right = self.hasher.verify(account.password_hash if account and account.is_active else None, secret)
            account, session = self._conclude(account, secret, guards, caller, right=right)
            if session is not None:
                return self.session_issuer.token_set(session)
        raise InvalidCredentials

    @retry_on_conflict
    def _conclude(
        self, meant: Account | None, secret: str, guards: Guards, caller: Caller, *, right: bool
    ) -> tuple[Account | None, Session | None]:
        """The session; or the account as it is now, where its password was changed while the given one was being hashed."""
        renewed = self._renewed(meant if right else None, secret)
        with self.database.begin() as tx:
            tallies = tx.rate_limits.lock([key for key, _ in guards])
            now = self.clock()
            wait = _wait(guards, tallies, now)
            current = tx.accounts.lock(meant.id) if meant and right and not wait else None
            if meant and current and current.is_active:
                if current.password_hash != meant.password_hash:
                    return current, None
                if renewed:
                    tx.accounts.save(replace(current, password_hash=renewed))
                return current, self._succeed(tx, current, tallies, now, caller)
            if not wait:
                self._fail(tx, guards, tallies, now, meant, caller)
        if wait:
            raise RateLimited(wait)
        raise InvalidCredentials

    def _succeed(
        self, tx: Transaction, account: Account, tallies: Sequence[SlidingWindow], now: float, caller: Caller
    ) -> Session:
        if self.limits_by_address and caller.address is not None and tallies[0].timestamps:
            tx.rate_limits.save([tallies[0].reset()], now)
        return self.session_issuer.start(tx, account, now, caller, "password")

    def _fail(
        self,
        tx: Transaction,
        guards: Guards,
        tallies: Sequence[SlidingWindow],
        now: float,
        meant: Account | None,
        caller: Caller,
    ) -> None:
        counted = [tally.hit(limits, now) for tally, (_, limits) in zip(tallies, guards, strict=True)]
        tx.rate_limits.save(counted, now + _KEPT_SECONDS)
        account_id = meant.id if meant else None
        tx.audit_log.add(
            Event(type=EventType.LOGIN_FAILED, occurred_at=now, account_id=account_id, caller=caller, detail=_why(meant))
        )
        if _wait(guards, counted, now):
            tx.audit_log.add(
                Event(type=EventType.RATE_LIMITED, occurred_at=now, account_id=account_id, caller=caller, detail="login")
            )

    def _renewed(self, account: Account | None, secret: str) -> str | None:
        """A hash by today's parameters, where the stored one is not."""
        if account and account.password_hash and self.hasher.needs_rehash(account.password_hash):
            return self.hasher.hash(secret)
        return None

    def _guards(self, login: LoginIdentifier, caller: Caller) -> Guards:
        meant = f"{login.address.kind}:{login.address.canonical}" if login.address else f"username:{login.canonical_username}"
        identity = f"login:{self.codes.keyed_digest(meant)}"
        if not self.limits_by_address or caller.address is None:
            return ((identity, FAILED_LOGINS_BY_IDENTITY),)
        return (
            (f"{identity}@{caller.address}", FAILED_LOGINS_BY_IDENTITY_AND_ADDRESS),
            (identity, FAILED_LOGINS_BY_IDENTITY),
            (f"login@{caller.address}", FAILED_LOGINS_BY_ADDRESS),
        )

    def _refuse_beyond(self, guards: Guards, tallies: Sequence[SlidingWindow]) -> None:
        if wait := _wait(guards, tallies, self.clock()):
            raise RateLimited(wait)


def _wait(guards: Guards, tallies: Sequence[SlidingWindow], now: float) -> int:
    return max(tally.retry_after(limits, now) for tally, (_, limits) in zip(tallies, guards, strict=True))


def _why(meant: Account | None) -> str:
    """The reason of a failure, for the journal alone."""
    if meant is None:
        return "unknown"
    if not meant.is_active:
        return "inactive"
    return "wrong" if meant.password_hash else "passwordless"
