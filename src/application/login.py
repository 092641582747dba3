"""Logging in with a password."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..domain.account import Account
from ..domain.errors import InvalidCredentials, RateLimited
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.rate_limits import (
    FAILED_LOGINS_BY_IDENTIFIER,
    FAILED_LOGINS_BY_IDENTIFIER_AND_IP_ADDRESS,
    FAILED_LOGINS_BY_IP_ADDRESS,
    HOUR,
    RateLimit,
    SlidingWindow,
)
from ..domain.session import Session
from .audit import record
from .ports import Clock, Codes, Database, Hasher, Identifiers, LoginIdentifier, Transaction
from .retry import retry_on_conflict
from .tokens import SessionIssuer, TokenSet
from .validation import Validator

_MAX_RECHECKS = 2  # of one login, each after another transaction changed the password during the hashing

LimitsByKey = Mapping[str, tuple[RateLimit, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogIn:
    """Logs in with a password; `username` may be a username, an email or a mobile.

    A failure is counted before its response, so concurrent attempts cannot exceed the limits. Beyond a limit every attempt
    raises `RateLimited`, even with the right password. Unknown, inactive and passwordless accounts cost the same time and get
    the same refusal. Raises `InvalidInput`, `InvalidCredentials`, `RateLimited`, `Overloaded`, `Unavailable`.
    """

    database: Database
    hasher: Hasher
    identifiers: Identifiers
    codes: Codes  # for `keyed_digest` alone: the keys of the windows do not reveal identifiers
    session_issuer: SessionIssuer
    clock: Clock
    limits_by_ip_address: bool = True

    def __call__(self, *, username: str, password: str, caller: Caller = TRUSTED_CALLER) -> TokenSet:
        validator = Validator()
        read = validator.text("username", username, self.identifiers.login)
        identifier, password = validator.valid(read, validator.password("password", password))
        limits = self._limits(identifier, caller)
        if retry_after := _retry_after(limits, self.database.rate_limits.get([*limits]), self.clock()):
            raise RateLimited(retry_after)
        account = self.database.accounts.by_login(identifier)
        for _ in range(1 + _MAX_RECHECKS):
            is_right = self.hasher.verify(account.password_hash if account and account.is_active else None, password)
            account, session = self._start_session_or_count_failure(account, password, limits, caller, is_right=is_right)
            if session is not None:
                return self.session_issuer.token_set(session)
        raise InvalidCredentials

    @retry_on_conflict
    def _start_session_or_count_failure(
        self, known: Account | None, password: str, limits: LimitsByKey, caller: Caller, *, is_right: bool
    ) -> tuple[Account | None, Session | None]:
        """Starts the session for a right password, otherwise counts the failure and raises `InvalidCredentials`.

        Returns no session, but the account as it is now, if its password was changed during the hashing. Raises `RateLimited`.
        """
        rehashed = self._rehashed(known if is_right else None, password)
        with self.database.begin() as tx:
            windows = tx.rate_limits.lock([*limits])
            now = self.clock()
            retry_after = _retry_after(limits, windows, now)
            current = tx.accounts.lock(known.id) if known and is_right and not retry_after else None
            if known and current and current.is_active:
                if current.password_hash != known.password_hash:
                    return current, None
                if rehashed:
                    tx.accounts.save(replace(current, password_hash=rehashed))
                for window in windows:  # the other two, of all callers or all identifiers, are not cleared
                    if limits[window.key] is FAILED_LOGINS_BY_IDENTIFIER_AND_IP_ADDRESS and window.timestamps:
                        tx.rate_limits.save([SlidingWindow(window.key)], now)  # empty and expired: the next purge deletes it
                return current, self.session_issuer.start(tx, current, now, caller, "password")
            if not retry_after:
                self._count_failure(tx, limits, windows, now, known, caller)
        if retry_after:
            raise RateLimited(retry_after)
        raise InvalidCredentials

    def _count_failure(
        self,
        tx: Transaction,
        limits: LimitsByKey,
        windows: Sequence[SlidingWindow],
        now: float,
        known: Account | None,
        caller: Caller,
    ) -> None:
        counted = [window.with_hit(limits[window.key], now) for window in windows]
        tx.rate_limits.save(counted, now + HOUR)
        account_id = known.id if known else None
        record(tx, EventType.LOGIN_FAILED, now, caller, account_id=account_id, detail=_reason(known))
        if _retry_after(limits, counted, now):
            record(tx, EventType.RATE_LIMITED, now, caller, account_id=account_id, detail="login")

    def _rehashed(self, account: Account | None, password: str) -> str | None:
        """A hash with the current parameters, if the stored one has others."""
        if account and account.password_hash and self.hasher.needs_rehash(account.password_hash):
            return self.hasher.hash(password)
        return None

    def _limits(self, identifier: LoginIdentifier, caller: Caller) -> LimitsByKey:
        name = identifier.address.key if identifier.address else f"username:{identifier.canonical_username}"
        by_identifier = f"login:{self.codes.keyed_digest(name)}"
        if not self.limits_by_ip_address or caller.ip_address is None:
            return {by_identifier: FAILED_LOGINS_BY_IDENTIFIER}
        return {
            f"{by_identifier}@{caller.ip_address}": FAILED_LOGINS_BY_IDENTIFIER_AND_IP_ADDRESS,
            by_identifier: FAILED_LOGINS_BY_IDENTIFIER,
            f"login@{caller.ip_address}": FAILED_LOGINS_BY_IP_ADDRESS,
        }


def _retry_after(limits: LimitsByKey, windows: Sequence[SlidingWindow], now: float) -> int:
    return max(window.retry_after(limits[window.key], now) for window in windows)


def _reason(known: Account | None) -> str:
    """The reason of a failure, for the audit log alone."""
    if known is None:
        return "unknown"
    if not known.is_active:
        return "inactive"
    return "wrong" if known.password_hash else "passwordless"
