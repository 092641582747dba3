"""One's own sessions: seen, and ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..domain.errors import InvalidToken, NoSuchSession
from ..domain.events import VOUCHED, Caller, Event, What
from ..domain.session import Session
from .ports import Clock, Database, Transaction
from .tokens import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSessions:
    """The caller's living sessions, the newest first. Raises `Unavailable`."""

    database: Database
    clock: Clock

    def __call__(self, *, identity: Identity) -> Sequence[Session]:
        return self.database.sessions.living(identity.account.id, self.clock())


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSession:
    """Ends a session of the caller; its tokens are refused from then on.

    Raises `NoSuchSession` where the caller has no living session of that id, `InvalidToken` where the caller's own has ended
    meanwhile, `Unavailable`.
    """

    database: Database
    clock: Clock

    def __call__(self, *, identity: Identity, session_id: str, caller: Caller = VOUCHED) -> None:
        what = What.LOGGED_OUT if session_id == identity.session_id else What.SESSION_ENDED
        with self.database.begin() as tx:
            now = self.clock()
            _demand_signed_in(tx, identity, now)
            session = tx.sessions.claim(session_id)
            if session is None or session.account_id != identity.account.id or not session.is_alive(now):
                raise NoSuchSession
            tx.sessions.save(session.end(now))
            tx.journal.add(Event(what=what, at=now, account_id=session.account_id, session_id=session.id, caller=caller))

    def others(self, *, identity: Identity, caller: Caller = VOUCHED) -> int:
        """Ends every session of the caller but the one that asks; answers how many."""
        with self.database.begin() as tx:
            now = self.clock()
            _demand_signed_in(tx, identity, now)
            ended = tx.sessions.end_all(identity.account.id, now, but=identity.session_id)
            event = Event(
                what=What.SESSION_ENDED,
                at=now,
                account_id=identity.account.id,
                session_id=identity.session_id,
                caller=caller,
                note=f"others:{ended}",
            )
            tx.journal.add(event)
        return ended


def _demand_signed_in(tx: Transaction, identity: Identity, now: float) -> None:
    """Or else whoever was just thrown out could still throw out the owner, by a call that was under way."""
    if tx.accounts.signed_in(identity.account.id, identity.session_id, now) is None:
        raise InvalidToken
