"""Who is it? Access tokens read, refresh tokens turned, sessions begun."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..domain.account import Account
from ..domain.errors import InvalidRefreshToken, InvalidToken, NotAuthenticated
from ..domain.events import TRUSTED_CALLER, Caller, Event, EventType
from ..domain.session import MAX_SESSIONS, RefreshOutcome, Session
from .notifications import Notice, Notices
from .ports import AccessClaims, Clock, Database, NewId, Tokens, Transaction
from .retry import retry_on_conflict
from .validation import Validator


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSet:
    """What a login gives: the access token, the refresh token, the session's id, and the access token's life in seconds."""

    token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    session: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105 — the name of the scheme


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who is logged in: the account as it was when asked, and the session."""

    account: Account
    session_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionIssuer:
    """Begins sessions, for the use cases that log somebody in."""

    tokens: Tokens
    clock: Clock
    new_id: NewId
    notices: Notices

    def start(self, tx: Transaction, account: Account, now: float, caller: Caller, how: str) -> Session:
        """The owner is told of a sign-in by a user agent that has not been seen at the account before, but for the first."""
        session = Session(
            id=self.new_id(),
            account_id=account.id,
            created_at=now,
            refreshed_at=now,
            address=caller.address,
            user_agent=caller.user_agent,
        )
        is_new_user_agent = caller.user_agent is not None and tx.sessions.is_new_user_agent(account.id, caller.user_agent)
        ended = [(EventType.SESSION_ENDED, oldest, "oldest") for oldest in tx.sessions.add(session, keep=MAX_SESSIONS)]
        for what, whose, note in (*ended, (EventType.LOGGED_IN, session.id, how)):
            tx.audit_log.add(
                Event(type=what, occurred_at=now, account_id=account.id, session_id=whose, caller=caller, detail=note)
            )
        if is_new_user_agent:
            self.notices(tx, Notice.NEW_SIGN_IN, account, now)
        return session

    def token_set(self, session: Session) -> TokenSet:
        """The tokens of a session that has been stored."""
        return TokenSet(
            token=self.tokens.issue_access(session.account_id, session.id, self.clock()),
            refresh_token=self.tokens.issue_refresh(session.id, session.generation),
            session=session.id,
            expires_in=self.tokens.access_seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticate:
    """Whose access token it is, as of now: its session is alive, its account active.

    Raises `NotAuthenticated` without a token, `InvalidToken` for a bad one, `Unavailable`.
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
        account = self.database.accounts.by_active_session(claims.account_id, claims.session_id, now)
        if account is None:
            raise InvalidToken
        return Identity(account, claims.session_id)


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
        wanted = [(one.account_id, one.session_id) for one in claims if one is not None]
        found = iter(self.database.accounts.by_active_sessions(wanted, now) if wanted else ())
        return [_identity(token, one, next(found) if one else None) for token, one in zip(tokens, claims, strict=True)]


def _identity(
    token: str | None, claims: AccessClaims | None, account: Account | None
) -> Identity | NotAuthenticated | InvalidToken:
    if not token:
        return NotAuthenticated()
    return Identity(account, claims.session_id) if claims and account else InvalidToken()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """A refresh token against a new token set; its successor is in it.

    The previous token is honoured for 30 s, in case its answer was lost; any other reuse ends the session (RFC 9700 § 4.14.2).
    Raises `InvalidInput` without a token, `InvalidRefreshToken`, `Unavailable`.
    """

    database: Database
    tokens: Tokens
    session_issuer: SessionIssuer
    clock: Clock

    def __call__(self, *, refresh: str, caller: Caller = TRUSTED_CALLER) -> TokenSet:
        read = Validator()
        text = read.text("refresh", refresh, str.strip)
        read.raise_if_invalid()
        presented = self.tokens.verify_refresh(text or "")
        if presented is None:
            raise InvalidRefreshToken
        session = self._turn(*presented, caller)
        if session is None:
            raise InvalidRefreshToken
        return self.session_issuer.token_set(session)

    @retry_on_conflict
    def _turn(self, session_id: str, generation: int, caller: Caller) -> Session | None:
        with self.database.begin() as tx:
            found = tx.sessions.lock_with_account(session_id)
            if found is None:
                return None
            now = self.clock()
            session, account = found
            if not account.is_active:
                return None
            turn, turned = session.refresh(generation, now)
            if turn is RefreshOutcome.SESSION_ENDED:
                return None
            if turned != session:
                tx.sessions.save(turned)
            what = EventType.REFRESH_REUSED if turn is RefreshOutcome.REUSE_DETECTED else EventType.REFRESHED
            tx.audit_log.add(Event(type=what, occurred_at=now, account_id=account.id, session_id=session.id, caller=caller))
            if turn is RefreshOutcome.REUSE_DETECTED:
                self.session_issuer.notices(tx, Notice.REFRESH_REUSED, account, now)
        return None if turn is RefreshOutcome.REUSE_DETECTED else turned
