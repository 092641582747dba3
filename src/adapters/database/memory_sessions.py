"""Sessions in memory."""

from ...domain.session import Session
from .memory_state import Unit


class MemorySessions:
    """Sessions by their ids."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def claim(self, session_id: str) -> Session | None:
        session = self._unit.state.sessions.get(session_id)
        if session is not None:
            self._unit.claims.hold("sessions", session_id)
        return session

    def add(self, session: Session, *, keep: int) -> None:
        state = self._unit.state
        if session.account_id not in state.accounts:
            raise LookupError("There is no account for this session.")
        living = self._living(session.account_id, session.created_at)
        living.sort(key=lambda old: (old.created_at, old.id), reverse=True)
        for old in living[keep - 1 :]:
            state.sessions[old.id] = old.end(session.created_at)
        state.sessions[session.id] = session
        self._unit.claims.hold("sessions", session.id)

    def save(self, session: Session) -> None:
        self._unit.claims.demand("sessions", session.id)
        self._unit.state.sessions[session.id] = session

    def end_all(self, account_id: int, now: float, *, but: str | None = None) -> int:
        ending = [session for session in self._living(account_id, now) if session.id != but]
        for session in ending:
            self._unit.state.sessions[session.id] = session.end(now)
        return len(ending)

    def _living(self, account_id: int, now: float) -> list[Session]:
        rows = self._unit.state.sessions.values()
        return [session for session in rows if session.account_id == account_id and session.is_alive(now)]
