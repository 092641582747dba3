"""Who is it? Access tokens read, refresh tokens turned, sessions begun."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..domain.account import Account
from ..domain.errors import InvalidRefreshToken, InvalidToken, NotAuthenticated
from ..domain.events import VOUCHED, Caller, Event, What
from ..domain.session import MAX_SESSIONS, Session, Turn
from .notifications import Notice, Notices
from .ports import Claims, Clock, Database, NewId, Tokens, Transaction
from .retry import once_more
from .validation import Reading


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
class SignIn:
    """Begins sessions, for the use cases that log somebody in."""

    tokens: Tokens
    clock: Clock
    new_id: NewId
    notices: Notices

    def begin(self, tx: Transaction, account: Account, now: float, caller: Caller, how: str) -> Session:
        """The owner is told of a sign-in by a user agent that has not been seen at the account before, but for the first."""
        session = Session(
            id=self.new_id(),
            account_id=account.id,
            created_at=now,
            refreshed_at=now,
            address=caller.address,
            agent=caller.agent,
        )
        is_strange = caller.agent is not None and tx.sessions.is_strange(account.id, caller.agent)
        ended = [(What.SESSION_ENDED, oldest, "oldest") for oldest in tx.sessions.add(session, keep=MAX_SESSIONS)]
        for what, whose, note in (*ended, (What.LOGGED_IN, session.id, how)):
            tx.journal.add(Event(what=what, at=now, account_id=account.id, session_id=whose, caller=caller, note=note))
        if is_strange:
            self.notices(tx, Notice.NEW_SIGN_IN, account, now)
        return session

    def token_set(self, session: Session) -> TokenSet:
        """The tokens of a session that has been stored."""
        return TokenSet(
            token=self.tokens.access(session.account_id, session.id, self.clock()),
            refresh_token=self.tokens.refresh(session.id, session.generation),
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
        claims = self.tokens.read_access(token, now)
        if claims is None:
            raise InvalidToken
        account = self.database.accounts.signed_in(claims.account_id, claims.session_id, now)
        if account is None:
            raise InvalidToken
        return Identity(account, claims.session_id)

    def each(self, tokens: Sequence[str | None]) -> list[Identity | NotAuthenticated | InvalidToken]:
        """The same for any number of tokens, with one question to the database: whose each is, or the refusal, in their order.

        Raises `Unavailable`.
        """
        now = self.clock()
        claims = [self.tokens.read_access(token, now) if token else None for token in tokens]
        asked = [(one.account_id, one.session_id) for one in claims if one is not None]
        found = iter(self.database.accounts.signed_in_each(asked, now) if asked else ())
        return [_answer(token, one, next(found) if one else None) for token, one in zip(tokens, claims, strict=True)]


def _answer(token: str | None, claims: Claims | None, account: Account | None) -> Identity | NotAuthenticated | InvalidToken:
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
    sign_in: SignIn
    clock: Clock

    def __call__(self, *, refresh: str, caller: Caller = VOUCHED) -> TokenSet:
        read = Reading()
        text = read.text("refresh", refresh, str.strip)
        read.refuse()
        presented = self.tokens.read_refresh(text or "")
        if presented is None:
            raise InvalidRefreshToken
        session = self._turn(*presented, caller)
        if session is None:
            raise InvalidRefreshToken
        return self.sign_in.token_set(session)

    @once_more
    def _turn(self, session_id: str, generation: int, caller: Caller) -> Session | None:
        with self.database.begin() as tx:
            found = tx.sessions.claim_with_account(session_id)
            if found is None:
                return None
            now = self.clock()
            session, account = found
            if not account.is_active:
                return None
            turn, turned = session.refresh(generation, now)
            if turn is Turn.OVER:
                return None
            if turned != session:
                tx.sessions.save(turned)
            what = What.REFRESH_REUSED if turn is Turn.REUSED else What.REFRESHED
            tx.journal.add(Event(what=what, at=now, account_id=account.id, session_id=session.id, caller=caller))
            if turn is Turn.REUSED:
                self.sign_in.notices(tx, Notice.REFRESH_REUSED, account, now)
        return None if turn is Turn.REUSED else turned
