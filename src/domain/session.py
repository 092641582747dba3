"""Sessions: refresh with rotation, lost responses, reuse detection, idle and absolute expiry."""

from dataclasses import dataclass, replace
from enum import Enum

IDLE_SECONDS = 14 * 86_400.0
MAX_LIFETIME_SECONDS = 30 * 86_400.0
REUSE_GRACE_SECONDS = 30.0
MAX_SESSIONS = 100
MAX_ENDED_SESSIONS = 1000
KNOWN_NETWORK_SECONDS = 30 * 86_400.0
"""The time for which the network in which a session began is known to its account."""


class RefreshOutcome(Enum):
    """The result of presenting a refresh token."""

    ROTATED = "current: it is used up and replaced by its successor"
    REISSUED = "previous, its response may have been lost: another successor retires the one before"
    RETIRED = "a successor that another one replaced before either was used: it is refused"
    REUSE_DETECTED = "used before: the session is revoked"
    SESSION_INACTIVE = "the session had been revoked or had expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session. Its refresh tokens are numbered as they are issued; `generation` is the number of the current one.

    `previous_generation` is the number of the token whose use gave the current one; tokens with numbers between the two are
    retired. `ip_address`, `user_agent` and `device` are those of the caller that started it, and `network` is the caller's
    network as long as the account knows it by this session. Times are seconds since the epoch.
    """

    id: str
    account_id: int
    created_at: float
    refreshed_at: float
    generation: int = 0
    previous_generation: int = -1
    revoked_at: float | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    device: str | None = None
    network: str | None = None

    def is_active(self, now: float) -> bool:
        """Returns whether it is not revoked, was used within 14 days and started within 30 (NIST SP 800-63B, AAL1)."""
        return self.revoked_at is None and now < self.expires_at

    @property
    def expires_at(self) -> float:
        return min(self.refreshed_at + IDLE_SECONDS, self.created_at + MAX_LIFETIME_SECONDS)

    def refresh(self, generation: int, now: float) -> tuple[RefreshOutcome, "Session"]:
        """The outcome for a refresh token of that number, and the session after it."""
        if not self.is_active(now):
            return RefreshOutcome.SESSION_INACTIVE, self
        if generation == self.generation:
            following = replace(self, generation=generation + 1, previous_generation=generation)
            return RefreshOutcome.ROTATED, replace(following, refreshed_at=max(now, self.refreshed_at))
        if self.previous_generation < generation < self.generation:
            return RefreshOutcome.RETIRED, self
        if generation == self.previous_generation and abs(now - self.refreshed_at) <= REUSE_GRACE_SECONDS:
            return RefreshOutcome.REISSUED, replace(self, generation=self.generation + 1)
        return RefreshOutcome.REUSE_DETECTED, self.revoked(now)

    def revoked(self, now: float) -> "Session":
        return self if self.revoked_at is not None else replace(self, revoked_at=now)
