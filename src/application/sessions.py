"""One's own sessions: seen, and ended. The ends of all, for services that follow them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..domain.errors import InvalidInput, InvalidToken, NoSuchSession
from ..domain.events import TRUSTED_CALLER, Caller, Event, EventType
from ..domain.session import Session
from .ports import Clock, Database, Tokens
from .retry import retry_on_conflict
from .tokens import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSessions:
    """The caller's living sessions, the newest first. Raises `Unavailable`."""

    database: Database
    clock: Clock

    def __call__(self, *, identity: Identity) -> Sequence[Session]:
        return self.database.sessions.active(identity.account.id, self.clock())


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSession:
    """Ends a session of the caller; its tokens are refused from then on.

    Raises `NoSuchSession` where the caller has no living session of that id, `InvalidToken` where the caller's own has ended
    meanwhile, `Unavailable`.
    """

    database: Database
    clock: Clock

    @retry_on_conflict
    def __call__(self, *, identity: Identity, session_id: str, caller: Caller = TRUSTED_CALLER) -> None:
        what = EventType.LOGGED_OUT if session_id == identity.session_id else EventType.SESSION_ENDED
        with self.database.begin() as tx:
            if tx.lock_identity(identity.account.id, identity.session_id, self.clock()) is None:
                raise InvalidToken
            now = self.clock()
            session = tx.sessions.lock(session_id)
            if session is None or session.account_id != identity.account.id or not session.is_alive(now):
                raise NoSuchSession
            tx.sessions.save(session.end(now))
            tx.audit_log.add(
                Event(type=what, occurred_at=now, account_id=session.account_id, session_id=session.id, caller=caller)
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOtherSessions:
    """Revokes every session of the caller except the current one, and returns how many.

    Raises `InvalidToken` if the current session was revoked meanwhile, `Unavailable`.
    """

    database: Database
    clock: Clock

    @retry_on_conflict
    def __call__(self, *, identity: Identity, caller: Caller = TRUSTED_CALLER) -> int:
        with self.database.begin() as tx:
            if tx.lock_identity(identity.account.id, identity.session_id, self.clock()) is None:
                raise InvalidToken
            now = self.clock()
            ended = tx.sessions.end_all(identity.account.id, now, except_id=identity.session_id)
            event = Event(
                type=EventType.SESSION_ENDED,
                occurred_at=now,
                account_id=identity.account.id,
                session_id=identity.session_id,
                caller=caller,
                detail=f"others:{ended}",
            )
            tx.audit_log.add(event)
        return ended


MOST_ENDED = 1000
"""How many ends one answer holds."""

CLOCKS = 30.0
"""By how many seconds the clocks of two servers may differ."""

LATE = 30.0
"""Within how many seconds of the moment that it bears an end is committed."""

_CURSOR = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,20})?)_([0-9A-Za-z_-]{0,64})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedSessions:
    """Ids of sessions that were ended; what follows them is had by `after`, at once where `has_more`.

    Whoever checks tokens offline refuses those of each of these sessions for `seconds` from now on; then none is good any more.
    """

    session_ids: Sequence[str]
    after: str
    has_more: bool
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListEndedSessions:
    """The sessions that were ended, by log-out, by change or reset of a password, or for any other reason, while a token
    of theirs may be good: those beyond `after`, the `after` of an earlier answer, or all.

    Ends may be committed in another order than their moments have, and by servers whose clocks differ. So an answer that is the
    last for now leads back by a minute, and what ended within it is told again; keep a set. Raises `InvalidInput` for an
    `after` that was never answered, `Unavailable`.
    """

    database: Database
    tokens: Tokens
    clock: Clock

    def __call__(self, *, after: str | None = None) -> EndedSessions:
        now = self.clock()
        seconds = self.tokens.access_seconds + int(CLOCKS)
        begin = max(_position(after, now), (now - seconds - LATE, ""))
        found = self.database.sessions.ended(begin, limit=MOST_ENDED)
        has_more = len(found) == MOST_ENDED
        moment, session_id = found[-1] if has_more else (max(0.0, now - CLOCKS - LATE), "")
        return EndedSessions(
            session_ids=[ended for _, ended in found],
            after=f"{moment}_{session_id}",
            has_more=has_more,
            seconds=seconds,
        )


def _position(after: str | None, now: float) -> tuple[float, str]:
    """One that lies ahead is of a clock that has been set back since: everything is told again."""
    if after is None:
        return 0.0, ""
    read = _CURSOR.fullmatch(after)
    if read is None:
        raise InvalidInput({"after": ["This is not where an answer ended."]})
    moment = float(read[1])
    return (moment, read[2]) if moment <= now + CLOCKS else (0.0, "")
