"""Messages in the outbox, and the notifier that sends them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from ...domain.code import CodePurpose

__all__ = [
    "Backlog",
    "Channel",
    "Message",
    "Notifier",
    "OutboxEntry",
    "OutgoingMessage",
    "PermanentFailure",
    "TemporaryFailure",
]


class Channel(StrEnum):
    """The channel of a message; each has its own delivery worker. Values are stored, the first two are address kinds."""

    EMAIL = "email"
    MOBILE = "mobile"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message in the outbox. It holds no code: that is derived from `challenge` (id, purpose, canonical address) when sent.

    `recipient` is None for a decoy, which makes a code request for an unknown address take as long as any other. `account_id`
    is the account that the message is about, if any: its messages take turns with those of other accounts, and go with it.
    Urgent messages go before the others of their channel; one with a code is always urgent.
    """

    id: str
    channel: Channel
    recipient: str | None
    template: str
    challenge: tuple[str, CodePurpose, str] | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    not_before: float
    expires_at: float
    failed_attempts: int = 0
    account_id: int | None = None
    is_urgent: bool = False

    def __post_init__(self) -> None:
        if self.challenge is not None:
            object.__setattr__(self, "is_urgent", True)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """A message with its state in the outbox. Positions grow.

    `due_at` is the earliest time of the next attempt, or the end of a delivery worker's lease. It is None for a message that
    failed permanently, for `failure_reason`. If it is not `is_readable`, its row is damaged: `message` has the right `id` and
    nothing else of it.
    """

    position: int
    message: Message
    due_at: float | None
    failure_reason: str | None = None
    is_readable: bool = True

    @property
    def has_failed_permanently(self) -> bool:
        return self.due_at is None

    def state(self, now: float) -> str:
        """Returns `failed`, `damaged`, `sending`, `due` or `waiting`."""
        if self.due_at is None:
            return "failed"
        if not self.is_readable:
            return "damaged"
        if self.is_leased(now):
            return "sending"
        return "due" if self.due_at <= now else "waiting"

    def is_leased(self, now: float) -> bool:
        """Returns whether a delivery worker holds it."""
        return self.due_at is not None and self.due_at > max(now, self.message.not_before)


class Backlog(NamedTuple):
    """The messages of one channel: how many are due, since when the oldest is due, and how many have failed permanently."""

    channel: Channel
    due: int
    due_since: float | None
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """A message ready to be rendered and sent. Its values may be secret and are left out of `repr`."""

    id: str
    channel: Channel
    recipient: str
    template: str
    values: Mapping[str, str] = field(repr=False)


class PermanentFailure(Exception):
    """A message that no attempt will deliver, for example to a refused address; it is not sent again.

    The text may be logged: it holds no secret and no address.
    """


class TemporaryFailure(Exception):
    """A failed attempt that is repeated while the message is of use; the next hop wants none for `retry_after` seconds.

    `concerns_all`: every other message would have failed too, so the others wait for this one's success. `is_misconfiguration`:
    the next hop refuses this service and not the message, so the operator has to act. `may_have_arrived`: the next hop may have
    accepted the message, so there are fewer attempts. The text may be logged, as above; that of any other exception, which
    counts as a temporary failure after which the message may have arrived, may not.
    """

    def __init__(
        self,
        text: str = "",
        *,
        retry_after: float = 0.0,
        concerns_all: bool = False,
        is_misconfiguration: bool = False,
        may_have_arrived: bool = False,
    ) -> None:
        super().__init__(text)
        self.retry_after = retry_after
        self.concerns_all = concerns_all
        self.is_misconfiguration = is_misconfiguration
        self.may_have_arrived = may_have_arrived


class Notifier(Protocol):
    """Sends messages; returns when the next hop has accepted the message."""

    def send(self, message: OutgoingMessage, /) -> None: ...

    def send_decoy(self, message: OutgoingMessage, /) -> None:
        """Takes as long as `send`, and fails when it would, but sends nothing.

        Otherwise the timing of later messages would reveal whether an account exists.
        """
