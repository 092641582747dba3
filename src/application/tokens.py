"""Access tokens, refresh tokens and the sessions behind them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..domain.account import Account
from ..domain.errors import InvalidRefreshToken, InvalidToken, NotAuthenticated
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.networks import UNKNOWN_NETWORK
from ..domain.session import RefreshOutcome, Session, SessionLifetime
from .audit import record
from .notifications import Notice, Notices
from .ports import AccessClaims, Clock, Database, Devices, NewId, Tokens, Transaction
from .retry import retry_on_conflict
from .validation import Validator


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSet:
    """The result of a login: access token, refresh token, session id, and the access token's lifetime in seconds.

    `created` is true if the login made the account, `deletion_cancelled` if it was to be deleted. `cleared` and `recovered` are
    those of `CodeEffects`.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    session: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105 — the name of the scheme
    created: bool = False
    cleared: tuple[str, ...] = ()
    recovered: bool = False
    deletion_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """An authenticated caller: the account as it was at authentication, and the session with the time at which it began."""

    account: Account
    session_id: str
    logged_in_at: float = 0.0

    def lock_account(self, tx: Transaction, clock: Clock) -> Account:
        """Locks the account and returns it as it is now. Raises `InvalidToken` if it or the session is no longer active."""
        account = tx.accounts.lock_by_active_session(self.account.id, self.session_id, clock)
        if account is None:
            raise InvalidToken
        return account


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeEffects:
    """The effects of a code on the account that it opened.

    `cleared` lists those of `password`, `sessions`, `email`, `mobile`, `image` that a claim removed. `recovered` is true if a
    code from the recovery address undid a change.
    """

    cleared: tuple[str, ...] = ()
    recovered: bool = False


TOKEN_CLAIMS: Mapping[str, Callable[[Account], object]] = {
    "username": lambda account: account.username.text,
    "name": lambda account: account.name,
    "email": lambda account: account.email.text if account.email else None,
    "email_verified": lambda account: account.email_verified,
    "mobile": lambda account: account.mobile.text if account.mobile else None,
    "is_staff": lambda account: account.is_staff,
    "is_superuser": lambda account: account.is_superuser,
    "roles": lambda account: list(account.roles),
}
"""The claims of an account that an access token can have. One whose value is None is left out (OpenID Connect Core § 5.3.2)."""

DRF_USER_CLAIMS: Mapping[str, Callable[[Account], object]] = {
    "token_type": lambda _: "access",
    "user_id": lambda account: account.id,
    **{name: TOKEN_CLAIMS[name] for name in ("username", "email", "mobile", "name")},
    "is_admin": lambda account: account.is_staff,
}
"""The claims that clients of drf-user read, under the names that it gives them."""

_CLAIMS = {**TOKEN_CLAIMS, **DRF_USER_CLAIMS}

NO_EFFECTS = CodeEffects()
UNKNOWN_DEVICE = "an unknown device"


@dataclass(frozen=True, slots=True)
class StartedSession:
    """A session that a login has started, and what else the login did."""

    session: Session
    account: Account
    effects: CodeEffects = NO_EFFECTS
    created: bool = False
    deletion_cancelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionIssuer:
    """Starts sessions and issues their tokens, for the use cases that log in.

    `token_claims` names those of `TOKEN_CLAIMS` and `DRF_USER_CLAIMS` that access tokens have. An account has at most
    `max_sessions`.
    """

    tokens: Tokens
    token_claims: Sequence[str]
    session_lifetime: SessionLifetime
    max_sessions: int
    clock: Clock
    new_id: NewId
    notices: Notices
    devices: Devices

    def start(self, tx: Transaction, account: Account, now: float, caller: Caller, method: str) -> StartedSession:
        """Stores a new session of a locked account, and revokes the account's oldest ones beyond `max_sessions`.

        Notifies the owner if the account has had sessions, and none on this device. Cancels the deletion of the account, and
        lifts a suspension that is over: the caller has checked `may_log_in`.
        """
        device = self.devices.name(caller.user_agent) or (UNKNOWN_DEVICE if caller.ip_address is not None else None)
        session = Session(
            id=self.new_id(),
            account_id=account.id,
            created_at=now,
            refreshed_at=now,
            expires_at=self.session_lifetime.end_of(now, now),
            ip_address=caller.ip_address,
            user_agent=caller.user_agent,
            device=device,
            network=None if caller.ip_address == UNKNOWN_NETWORK else caller.ip_address,
        )
        added = tx.sessions.add(session, keep=self.max_sessions)
        for revoked in added.revoked:
            record(tx, EventType.SESSION_REVOKED, now, caller, account_id=account.id, session_id=revoked, detail="oldest")
        record(tx, EventType.LOGGED_IN, now, caller, account_id=account.id, session_id=session.id, detail=method)
        if added.is_new_device:
            self.notices(tx, Notice.NEW_LOGIN, account, now, caller)
        is_lifted, is_cancelled = not account.is_active, account.deletion_due_at is not None
        if is_lifted or is_cancelled:
            account = replace(account.reinstated(), deletion_due_at=None)
            tx.accounts.save(account)
        if is_lifted:
            record(tx, EventType.SUSPENSION_LIFTED, now, caller, account_id=account.id, session_id=session.id)
        if is_cancelled:
            record(tx, EventType.DELETION_CANCELLED, now, caller, account_id=account.id, session_id=session.id)
            self.notices(tx, Notice.DELETION_CANCELLED, account, now, caller)
        return StartedSession(session, account, deletion_cancelled=is_cancelled)

    def token_set(self, started: StartedSession) -> TokenSet:
        """Signs the tokens of a session, after its transaction; within a group commit, callers get them once that is stored."""
        return replace(
            self.tokens_of(started.session, started.account),
            created=started.created,
            cleared=started.effects.cleared,
            recovered=started.effects.recovered,
            deletion_cancelled=started.deletion_cancelled,
        )

    def tokens_of(self, session: Session, account: Account) -> TokenSet:
        values = ((name, _CLAIMS[name](account)) for name in self.token_claims)
        claims = {name: value for name, value in values if value is not None}
        return TokenSet(
            access_token=self.tokens.issue_access(account.id, session.id, self.clock(), claims),
            refresh_token=self.tokens.issue_refresh(session.id, session.generation),
            session=session.id,
            expires_in=self.tokens.access_seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticate:
    """Authenticates an access token: its session and its account must be active now.

    Raises `NotAuthenticated` without a token, `InvalidToken` for an invalid one, `Unavailable`.
    """

    database: Database
    tokens: Tokens
    clock: Clock

    def __call__(self, token: str | None) -> Identity:
        if not token:
            raise NotAuthenticated
        now = self.clock()
        claims = self.tokens.verify_access(token, now)
        if claims is None:
            raise InvalidToken
        found = self.database.accounts.by_active_session(claims.account_id, claims.session_id, now)
        if found is None:
            raise InvalidToken
        return Identity(found[0], claims.session_id, found[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticateMany:
    """Authenticates any number of tokens with one database query; returns an identity or the refusal for each, in order.

    Raises `Unavailable`.
    """

    database: Database
    tokens: Tokens
    clock: Clock

    def __call__(self, tokens: Sequence[str | None]) -> list[Identity | NotAuthenticated | InvalidToken]:
        now = self.clock()
        claims = [self.tokens.verify_access(token, now) if token else None for token in tokens]
        pairs = [(claim.account_id, claim.session_id) for claim in claims if claim is not None]
        found = iter(self.database.accounts.by_active_sessions(pairs, now) if pairs else ())
        return [_identity(token, claim, next(found) if claim else None) for token, claim in zip(tokens, claims, strict=True)]


def _identity(
    token: str | None, claims: AccessClaims | None, found: tuple[Account, float] | None
) -> Identity | NotAuthenticated | InvalidToken:
    if not token:
        return NotAuthenticated()
    return Identity(found[0], claims.session_id, found[1]) if claims and found else InvalidToken()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """Exchanges a refresh token for a new token set, which holds the next refresh token.

    The previous token is accepted for 30 s, in case its response was lost, as long as no successor of it was used: each time
    with a new successor, which retires the one before. Any other reuse revokes the session (RFC 9700 § 4.14.2). Unless it
    `rotates_refresh_tokens`, the token set holds the same refresh token again, for clients that keep the first one: then its
    use by somebody else goes unnoticed. Raises `InvalidInput` without a token, `InvalidRefreshToken`, `Unavailable`.
    """

    database: Database
    tokens: Tokens
    session_issuer: SessionIssuer
    clock: Clock
    rotates_refresh_tokens: bool = True

    def __call__(self, *, refresh: str, caller: Caller = TRUSTED_CALLER) -> TokenSet:
        validator = Validator()
        (text,) = validator.valid(validator.text("refresh", refresh, str.strip))
        presented = self.tokens.verify_refresh(text)
        if presented is None:
            raise InvalidRefreshToken
        rotated = self._rotate(*presented, caller)
        if rotated is None:
            raise InvalidRefreshToken
        return self.session_issuer.tokens_of(*rotated)

    @retry_on_conflict
    def _rotate(self, session_id: str, generation: int, caller: Caller) -> tuple[Session, Account] | None:
        with self.database.begin() as tx:
            locked = tx.sessions.lock_with_account(session_id)
            now = self.clock()
            if locked is None or not locked[1].is_active:
                return None
            session, account = locked
            lifetime, rotates = self.session_issuer.session_lifetime, self.rotates_refresh_tokens
            outcome, after = session.refresh(generation, now, lifetime, rotates=rotates)
            if outcome in (RefreshOutcome.SESSION_INACTIVE, RefreshOutcome.RETIRED):
                return None
            tx.sessions.save(after)
            is_reuse = outcome is RefreshOutcome.REUSE_DETECTED
            event = EventType.REFRESH_REUSED if is_reuse else EventType.REFRESHED  # the others alike
            record(tx, event, now, caller, account_id=account.id, session_id=session.id)
            if is_reuse:
                self.session_issuer.notices(tx, Notice.REFRESH_REUSED, account, now, caller)
        return None if is_reuse else (after, account)
