"""A session's life: refresh, the lost answer, reuse, idle and absolute end."""

from dataclasses import dataclass, replace
from enum import Enum

IDLE_SECONDS = 14 * 86_400.0
MAX_LIFETIME_SECONDS = 30 * 86_400.0
REUSE_GRACE_SECONDS = 30.0
MAX_SESSIONS = 100


class RefreshOutcome(Enum):
    """What a presented refresh token turned out to be."""

    ROTATED = "the current one: it is spent, and its successor answered"
    RETRIED = "the previous one, its answer perhaps lost: the same successor is answered again"
    REUSE_DETECTED = "one spent before: the session ends"
    SESSION_ENDED = "the session had ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One sign-in. Its refresh tokens are numbered; `generation` is the number of the one that is good now.

    `address` and `agent` are those of the caller that began it. Times are seconds since the epoch.
    """

    id: str
    account_id: int
    created_at: float
    refreshed_at: float
    generation: int = 0
    ended_at: float | None = None
    address: str | None = None
    user_agent: str | None = None

    def is_alive(self, now: float) -> bool:
        """Not ended, used within 14 days, begun within 30 (NIST SP 800-63B, AAL1)."""
        return self.ended_at is None and now < self.expires_at

    @property
    def expires_at(self) -> float:
        return min(self.refreshed_at + IDLE_SECONDS, self.created_at + MAX_LIFETIME_SECONDS)

    def refresh(self, generation: int, now: float) -> tuple[RefreshOutcome, "Session"]:
        """What a refresh token of that number is worth, and the session after it was shown."""
        if not self.is_alive(now):
            return RefreshOutcome.SESSION_ENDED, self
        if generation == self.generation:
            return RefreshOutcome.ROTATED, replace(self, generation=generation + 1, refreshed_at=max(now, self.refreshed_at))
        if generation == self.generation - 1 and abs(now - self.refreshed_at) <= REUSE_GRACE_SECONDS:
            return RefreshOutcome.RETRIED, self
        return RefreshOutcome.REUSE_DETECTED, self.end(now)

    def end(self, now: float) -> "Session":
        return self if self.ended_at is not None else replace(self, ended_at=now)
