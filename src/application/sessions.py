"""The caller's own sessions, and the revoked sessions of all accounts for services that verify tokens offline."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..domain.errors import ErrorCode, FieldError, InvalidInput, NoSuchSession, NotAuthenticated
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.session import Session
from .audit import record
from .ports import Clock, Database, Tokens
from .retry import retry_on_conflict
from .tokens import Identity
from .validation import Validator


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSessions:
    """The caller's active sessions, the newest first. Raises `Unavailable`."""

    database: Database
    clock: Clock

    def __call__(self, *, identity: Identity) -> Sequence[Session]:
        return self.database.sessions.active(identity.account.id, self.clock())


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeSession:
    """Revokes a session of the caller; its tokens are refused from then on.

    Raises `NoSuchSession` if the caller has no active session of that id, `InvalidToken` if the caller's own was revoked
    meanwhile, `Unavailable`.
    """

    database: Database
    clock: Clock

    @retry_on_conflict
    def __call__(self, *, identity: Identity, session_id: str, caller: Caller = TRUSTED_CALLER) -> None:
        event = EventType.LOGGED_OUT if session_id == identity.session_id else EventType.SESSION_REVOKED
        with self.database.begin() as tx:
            identity.lock_account(tx, self.clock)  # a session revoked meanwhile must not be able to revoke others
            session, now = tx.sessions.lock(session_id), self.clock()
            if session is None or session.account_id != identity.account.id or not session.is_active(now):
                raise NoSuchSession
            tx.sessions.save(session.revoked(now))
            record(tx, event, now, caller, account_id=session.account_id, session_id=session.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOut:
    """Revokes the session of the caller, or of a refresh token of it, current or not; with both given, both.

    A session that has ended, and a refresh token that is worth nothing, are logged out already (RFC 7009, section 2.2).
    Raises `NotAuthenticated` if neither is given, `InvalidInput` for a refresh token that is not text, `Unavailable`.
    """

    database: Database
    tokens: Tokens
    clock: Clock

    def __call__(
        self, *, identity: Identity | None = None, refresh: str | None = None, caller: Caller = TRUSTED_CALLER
    ) -> None:
        validator = Validator()
        text = validator.text("refresh", refresh, str.strip, required=False)
        validator.raise_if_invalid()
        if identity is None and text is None:
            raise NotAuthenticated
        presented = self.tokens.verify_refresh(text) if text else None
        if identity is not None:
            self._revoke(identity.session_id, caller, account_id=identity.account.id)
        if presented is not None:
            self._revoke(presented[0], caller)

    @retry_on_conflict
    def _revoke(self, session_id: str, caller: Caller, *, account_id: int | None = None) -> None:
        with self.database.begin() as tx:
            if account_id is not None:
                tx.accounts.lock(account_id)  # before its sessions, like every change of them
            session, now = tx.sessions.lock(session_id), self.clock()
            if session is not None and session.is_active(now):
                tx.sessions.save(session.revoked(now))
                record(tx, EventType.LOGGED_OUT, now, caller, account_id=session.account_id, session_id=session.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeOtherSessions:
    """Revokes every session of the caller except the current one, and returns how many.

    Raises `InvalidToken` if the current session was revoked meanwhile, `Unavailable`.
    """

    database: Database
    clock: Clock

    @retry_on_conflict
    def __call__(self, *, identity: Identity, caller: Caller = TRUSTED_CALLER) -> int:
        account_id, session_id = identity.account.id, identity.session_id
        with self.database.begin() as tx:
            identity.lock_account(tx, self.clock)
            now = self.clock()
            revoked = tx.sessions.revoke_all(account_id, now, except_id=session_id)
            detail = f"others:{revoked}"
            record(tx, EventType.SESSION_REVOKED, now, caller, account_id=account_id, session_id=session_id, detail=detail)
        return revoked


MAX_REVOKED = 1000
"""The number of revoked sessions in one response."""

CLOCK_DIFFERENCE = 30.0
"""Seconds by which the clocks of two servers may differ."""

COMMIT_DELAY = 30.0
"""Seconds within which a revocation is committed after its timestamp."""

_CURSOR = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,20})?)_([0-9A-Za-z_-]{0,64})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedSessions:
    """Ids of revoked sessions. Pass `after` to get the next page; if `has_more`, immediately.

    A service that verifies tokens offline rejects the tokens of these sessions for `seconds`; by then they have expired.
    """

    session_ids: Sequence[str]
    after: str
    has_more: bool
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRevokedSessions:
    """The revoked sessions whose access tokens may not have expired: those beyond `after` of an earlier response, or all.

    Revocations may commit out of the order of their timestamps, on servers whose clocks differ. So the last response's `after`
    lies a minute back, and sessions within that minute are returned again; the client keeps a set.
    Raises `InvalidInput` for an `after` that was never returned, `Unavailable`.
    """

    database: Database
    tokens: Tokens
    clock: Clock

    def __call__(self, *, after: str | None = None) -> RevokedSessions:
        now = self.clock()
        seconds = self.tokens.access_seconds + int(CLOCK_DIFFERENCE)
        begin = max(_position(after, now), (now - seconds - COMMIT_DELAY, ""))
        revoked = self.database.sessions.revoked(begin, limit=MAX_REVOKED)
        has_more = len(revoked) == MAX_REVOKED
        revoked_at, session_id = revoked[-1] if has_more else (max(0.0, now - CLOCK_DIFFERENCE - COMMIT_DELAY), "")
        return RevokedSessions(
            session_ids=[revoked_id for _, revoked_id in revoked],
            after=f"{revoked_at}_{session_id}",
            has_more=has_more,
            seconds=seconds,
        )


def _position(after: str | None, now: float) -> tuple[float, str]:
    """A position in the future is from a clock that was set back since: everything is returned again."""
    if after is None:
        return 0.0, ""
    match = _CURSOR.fullmatch(after)
    if match is None:
        raise InvalidInput({"after": [FieldError(ErrorCode.MALFORMED, "This must be the `after` of an earlier response.")]})
    revoked_at = float(match[1])
    return (revoked_at, match[2]) if revoked_at <= now + CLOCK_DIFFERENCE else (0.0, "")
