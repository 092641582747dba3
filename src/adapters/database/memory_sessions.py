"""Sessions in memory."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ...domain.account import Account
from ...domain.session import Session
from .memory_state import State, Unit


class MemorySessionReads:
    """Sessions as committed."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state

    def active(self, account_id: int, now: float) -> Sequence[Session]:
        return _living(self._state(), account_id, now)

    def ended(self, after: tuple[float, str], *, limit: int) -> Sequence[tuple[float, str]]:
        ends = [(row.ended_at, row.id) for row in self._state().sessions.values() if row.ended_at is not None]
        return sorted(end for end in ends if end > after)[:limit]


class MemorySessions:
    """Sessions by their ids."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def lock(self, session_id: str) -> Session | None:
        session = self._unit.state.sessions.get(session_id)
        if session is not None:
            self._unit.claims.hold("sessions", session_id)
        return session

    def lock_with_account(self, session_id: str) -> tuple[Session, Account] | None:
        session = self.lock(session_id)
        account = self._unit.state.accounts.get(session.account_id) if session else None
        return (session, account) if session and account else None

    def add(self, session: Session, *, keep: int) -> Sequence[str]:
        state = self._unit.state
        if session.account_id not in state.accounts:
            raise LookupError("There is no account for this session.")
        oldest = _living(state, session.account_id, session.created_at)[keep - 1 :]
        for old in oldest:
            state.sessions[old.id] = old.end(session.created_at)
        state.sessions[session.id] = session
        self._unit.claims.hold("sessions", session.id)
        return [old.id for old in oldest]

    def save(self, session: Session) -> None:
        self._unit.claims.demand("sessions", session.id)
        end = self._unit.state.sessions[session.id].ended_at
        self._unit.state.sessions[session.id] = session if end is None else replace(session, ended_at=end)

    def end_all(self, account_id: int, now: float, *, except_id: str | None = None) -> int:
        ending = [session for session in _living(self._unit.state, account_id, now) if session.id != except_id]
        for session in ending:
            self._unit.state.sessions[session.id] = session.end(now)
        return len(ending)

    def is_new_user_agent(self, account_id: int, user_agent: str) -> bool:
        agents = {row.user_agent for row in self._unit.state.sessions.values() if row.account_id == account_id}
        return bool(agents) and user_agent not in agents


def _living(state: State, account_id: int, now: float) -> list[Session]:
    """The newest first."""
    rows = [row for row in state.sessions.values() if row.account_id == account_id and row.is_active(now)]
    return sorted(rows, key=lambda row: (row.created_at, row.id), reverse=True)
