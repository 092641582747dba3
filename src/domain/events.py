"""Events of the audit log. No event holds a secret or an email or mobile in full."""

from dataclasses import dataclass
from enum import StrEnum

from .networks import network_of


class EventType(StrEnum):
    """The types of events; their values are stable, and stored."""

    REGISTERED = "registered"
    LOGGED_IN = "logged_in"
    LOGIN_FAILED = "login_failed"
    CODE_SENT = "code_sent"
    CODE_REFUSED = "code_refused"
    CODE_ACCEPTED = "code_accepted"
    ADDRESS_VERIFIED = "address_verified"
    ACCOUNT_CLAIMED = "account_claimed"
    ACCOUNT_RECOVERED = "account_recovered"
    ADDRESS_RELEASED = "address_released"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 — the name of an event
    PASSWORD_RESET = "password_reset"  # noqa: S105 — the name of an event
    EMAIL_CHANGED = "email_changed"
    MOBILE_CHANGED = "mobile_changed"
    USERNAME_CHANGED = "username_changed"
    NAME_CHANGED = "name_changed"
    IMAGE_CHANGED = "image_changed"
    VALUE_TAKEN = "value_taken"
    EXPORTED = "exported"
    DELETION_SCHEDULED = "deletion_scheduled"
    DELETION_CANCELLED = "deletion_cancelled"
    ACCOUNT_DELETED = "account_deleted"
    ACTIVATED = "activated"
    DEACTIVATED = "deactivated"
    SUSPENDED = "suspended"
    REINSTATED = "reinstated"
    SUSPENSION_LIFTED = "suspension_lifted"
    UNLOCKED = "unlocked"
    SIGNED_OUT = "signed_out"
    ROLES_CHANGED = "roles_changed"
    RESET_SENT = "reset_sent"
    REFRESHED = "refreshed"
    REFRESH_REUSED = "refresh_reused"
    SESSION_REVOKED = "session_revoked"
    LOGGED_OUT = "logged_out"
    RATE_LIMITED = "rate_limited"
    KEYS_CHANGED = "keys_changed"
    OUTBOX_CHANGED = "outbox_changed"
    INVITED = "invited"
    INVITATION_REVOKED = "invitation_revoked"
    ALL_SESSIONS_ENDED = "all_sessions_ended"
    MOBILES_REKEYED = "mobiles_rekeyed"
    IMPORTED = "imported"


ACCOUNT_EVENTS = frozenset(EventType) - {
    EventType.CODE_SENT,
    EventType.CODE_REFUSED,
    EventType.CODE_ACCEPTED,
    EventType.KEYS_CHANGED,
    EventType.OUTBOX_CHANGED,
    EventType.INVITED,
    EventType.INVITATION_REVOKED,
    EventType.ALL_SESSIONS_ENDED,
    EventType.MOBILES_REKEYED,
}
"""Events that may concern an account."""

STATE_CHANGES = ACCOUNT_EVENTS - {EventType.LOGIN_FAILED, EventType.RATE_LIMITED, EventType.REFRESHED, EventType.IMPORTED}
"""Events that change an account or its sessions, without frequent ones that change neither, and without imports: a receiver
would get a million at once."""


ENDS_ACCESS = frozenset(
    {
        EventType.PASSWORD_CHANGED,
        EventType.PASSWORD_RESET,
        EventType.ACCOUNT_CLAIMED,
        EventType.ACCOUNT_RECOVERED,
        EventType.DELETION_SCHEDULED,
        EventType.ACCOUNT_DELETED,
        EventType.DEACTIVATED,
        EventType.SUSPENDED,
        EventType.SIGNED_OUT,
        EventType.REFRESH_REUSED,
        EventType.SESSION_REVOKED,
        EventType.LOGGED_OUT,
    }
)
"""Events after which tokens or passwords that were good are refused: receivers hear of them before others."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The network and the user agent of the caller, as far as known.

    An IP address becomes the network by which limits count: an IPv4 address, also of an IPv6 socket (`::ffff:192.0.2.1`), or
    the first 64 bits of an IPv6 address (`2001:db8:1:2::/64`). Any other text, such as the empty one of a local socket,
    becomes `unknown`: all such callers share their limits. Without an IP address the limits per network do not apply: a host
    application that calls on its own behalf is trusted.
    """

    ip_address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None

    def __post_init__(self) -> None:
        if self.ip_address is not None:
            object.__setattr__(self, "ip_address", network_of(self.ip_address))


TRUSTED_CALLER = Caller()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event of an account, or of none (`account_id` None). `occurred_at` is in seconds since the epoch.

    `actor` is the operator who caused it, for `reason`: `account 17`, or `command line (ada)`; None for callers, and for what
    the service does by itself.
    """

    type: EventType
    occurred_at: float
    account_id: int | None = None
    session_id: str | None = None
    caller: Caller = TRUSTED_CALLER
    detail: str = ""
    actor: str | None = None
    reason: str | None = None
