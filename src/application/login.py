"""Logging in with a password."""

from dataclasses import dataclass, replace

from ..domain.account import Account
from ..domain.errors import InvalidCredentials, RateLimited
from ..domain.events import TRUSTED_CALLER, Caller
from ..domain.rate_limits import Limits, refusing_limit
from .legacy_login import Arrival, LegacyLogin
from .password_attempts import PasswordAttempt, PasswordAttempts
from .ports import Clock, Database, Hasher, Identifiers, LoginIdentifier, RateLimiter
from .retry import retry_on_conflict
from .tokens import SessionIssuer, StartedSession, TokenSet
from .validation import Validator

_MAX_RECHECKS = 2  # of one login, each after another transaction changed the password during the hashing


@dataclass(frozen=True, slots=True, kw_only=True)
class LogIn:
    """Logs in with a password; `username` may be a username, an email or a mobile.

    A failure is counted before its response, so concurrent attempts cannot exceed the limits. Beyond a limit every attempt
    raises `RateLimited`, even with the right password. Unknown, inactive and passwordless accounts cost the same time and get
    the same refusal.

    With a legacy directory an unknown identifier, and an account whose password lies only there, cost a call to it as well. If
    it finds the password right, its account is taken in. Without a sure answer from it the attempt is `Unavailable`, and not
    counted. Raises `InvalidInput`, `InvalidCredentials`, `RateLimited`, `Overloaded`, `Unavailable`.
    """

    database: Database
    hasher: Hasher
    identifiers: Identifiers
    password_attempts: PasswordAttempts
    session_issuer: SessionIssuer
    legacy_login: LegacyLogin
    rate_limiter: RateLimiter
    limits: Limits
    clock: Clock

    def __call__(self, *, username: str, password: str, caller: Caller = TRUSTED_CALLER) -> TokenSet:
        validator = Validator()
        read = validator.text("username", username, self.identifiers.login)
        identifier, password = validator.valid(read, validator.password("password", password))
        attempt, is_paused = self.password_attempts.begin(identifier, caller)
        account = attempt.holder.account
        arrival = None if is_paused else self.legacy_login.ask(account, username, password, self.clock())
        if arrival is not None:
            account, started = self._take_in(arrival, identifier, attempt)
            if started is not None:
                return self.session_issuer.token_set(started)
        for _ in range(1 + _MAX_RECHECKS):
            is_right = self._is_right(account, attempt.holder.decoy_hash, password)
            if account and is_right and not is_paused:
                self._count_login(account)
            account, started = self._start_session_or_count_failure(account, password, attempt, is_right=is_right)
            if started is not None:
                return self.session_issuer.token_set(started)
        raise InvalidCredentials

    def _is_right(self, account: Account | None, decoy_hash: str | None, password: str) -> bool:
        """Returns whether the password logs in to the account.

        A hash is verified in any case, so that the time does not tell whether there is an account, and whether it may log in. A
        password that matches the decoy is as wrong as any other.
        """
        own_hash = account.password_hash if account else None
        matches = self.hasher.verify(own_hash or decoy_hash, password)
        return matches and bool(own_hash) and account is not None and account.may_log_in(self.clock())

    @retry_on_conflict
    def _take_in(
        self, arrival: Arrival, identifier: LoginIdentifier, attempt: PasswordAttempt
    ) -> tuple[Account | None, StartedSession | None]:
        """Starts the session of the account that is taken in.

        Returns no session, but the account whose own password decides, where a limit is reached by now or the directory decides
        nothing any more.
        """
        known = attempt.holder.account
        with self.database.begin() as tx:
            locked = self.password_attempts.lock(tx, attempt)
            if locked.refusal() is not None or attempt.is_paused(locked):
                return known, None
            account, is_right = self.legacy_login.take_in(tx, arrival, identifier, known, locked.now, attempt.caller)
            if account is None or not is_right:
                return account, None
            attempt.clear(tx, locked)
            return account, self.session_issuer.start(tx, account, locked.now, attempt.caller, "password")

    def _count_login(self, account: Account) -> None:
        limits = self.limits.logins_per_account
        if retry_after := self.rate_limiter.hit(f"logins:{account.id}", limits, self.clock()):
            raise RateLimited(retry_after, policy="logins", limit=refusing_limit(limits, retry_after))

    @retry_on_conflict
    def _start_session_or_count_failure(
        self, known: Account | None, password: str, attempt: PasswordAttempt, *, is_right: bool
    ) -> tuple[Account | None, StartedSession | None]:
        """Starts the session for a right password, otherwise counts the failure and raises `InvalidCredentials`.

        Returns no session, but the account as it is now, if its password was changed during the hashing. Raises `RateLimited`.
        """
        rehashed = self._rehashed(known if is_right else None, password)
        with self.database.begin() as tx:
            locked = self.password_attempts.lock(tx, attempt)
            refusal, is_right = locked.refusal(), is_right and not attempt.is_paused(locked)
            current = tx.accounts.lock(known.id) if known and is_right and not refusal else None
            if known and current and current.may_log_in(locked.now):
                if current.password_hash != known.password_hash:
                    return current, None
                if rehashed:
                    current = replace(current, password_hash=rehashed)
                    tx.accounts.save(current)
                attempt.clear(tx, locked)
                return current, self.session_issuer.start(tx, current, locked.now, attempt.caller, "password")
            if refusal is None:
                self.password_attempts.count_failure(tx, attempt, locked)
        raise refusal or InvalidCredentials()

    def _rehashed(self, account: Account | None, password: str) -> str | None:
        """A hash with the current parameters, if the stored one has others."""
        if account and account.password_hash and self.hasher.needs_rehash(account.password_hash):
            return self.hasher.hash(password)
        return None
