"""Sessions: refresh with rotation, lost responses, reuse detection, idle and absolute expiry."""

from dataclasses import dataclass, replace
from enum import Enum

REUSE_GRACE_SECONDS = 30.0
MAX_SESSIONS = 100
MAX_ENDED_SESSIONS = 1000
KNOWN_NETWORK_SECONDS = 30 * 86_400.0
"""The time for which the network in which a session began is known to its account."""


@dataclass(frozen=True, slots=True)
class SessionLifetime:
    """The seconds for which a session lives: `idle` after its last refresh, and `longest` after its start.

    The defaults are those of NIST SP 800-63B, AAL1, and stricter.
    """

    idle: float = 14 * 86_400.0
    longest: float = 30 * 86_400.0

    def end_of(self, created_at: float, refreshed_at: float) -> float:
        return min(refreshed_at + self.idle, created_at + self.longest)


DEFAULT_LIFETIME = SessionLifetime()
LONGEST_LIFETIME_DAYS = 365
"""No session can be set to live longer."""
MAX_ACCESS_SECONDS = 3600
"""No access token can be set to live longer."""


class RefreshOutcome(Enum):
    """The result of presenting a refresh token."""

    ROTATED = "current: it is used up and replaced by its successor"
    EXTENDED = "current, where tokens are not rotated: it stays valid, and the session lives longer"
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
    expires_at: float
    generation: int = 0
    previous_generation: int = -1
    revoked_at: float | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    device: str | None = None
    network: str | None = None

    def is_active(self, now: float) -> bool:
        return self.revoked_at is None and now < self.expires_at

    def refresh(
        self, generation: int, now: float, lifetime: SessionLifetime = DEFAULT_LIFETIME, *, rotates: bool = True
    ) -> tuple[RefreshOutcome, "Session"]:
        """The outcome for a refresh token of that number, and the session after it.

        The session ends by the given lifetime, also if it started under a longer one. Unless it `rotates`, the current token
        stays valid, and its use is the last moment at which an earlier one was of any use.
        """
        if not self.is_active(now) or now >= lifetime.end_of(self.created_at, self.refreshed_at):
            return RefreshOutcome.SESSION_INACTIVE, self
        if generation == self.generation:
            at = max(now, self.refreshed_at)
            outcome, following = (RefreshOutcome.ROTATED, generation + 1) if rotates else (RefreshOutcome.EXTENDED, generation)
            after = replace(self, generation=following, previous_generation=generation)
            return outcome, replace(after, refreshed_at=at, expires_at=lifetime.end_of(self.created_at, at))
        if self.previous_generation < generation < self.generation:
            return RefreshOutcome.RETIRED, self
        if generation == self.previous_generation and abs(now - self.refreshed_at) <= REUSE_GRACE_SECONDS:
            return RefreshOutcome.REISSUED, replace(self, generation=self.generation + 1)
        return RefreshOutcome.REUSE_DETECTED, self.revoked(now)

    def revoked(self, now: float) -> "Session":
        return self if self.revoked_at is not None else replace(self, revoked_at=now)
