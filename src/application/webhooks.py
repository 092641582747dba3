"""Webhooks: a consumer of events that puts a message about each of them into the outbox."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from ..domain.events import ENDS_ACCESS, Event, EventType
from ..domain.rate_limits import DAY
from .event_consumer import ReadEvents
from .ports import Channel, Clock, Database, Message

CURSOR_NAME = "vestibule-webhook"
"""The name of the cursor."""

RECIPIENT = "webhook"
"""The recipient of every message. The URL may hold a token, and is not stored."""

KEPT_SECONDS = 30 * DAY
"""How long the operator can retry a message; the attempts end much sooner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnqueueWebhooks:
    """Puts a message about each event of `types` into the outbox, from where the cursor was left, in order.

    Those that end access are urgent, and the accounts take turns, so that one with many events delays no other.

    A message's id derives from its event, so that an event that is read twice keeps its `webhook-id`. The payload follows
    Standard Webhooks and holds no personal data. Events without an account are sent too. Raises `Unavailable`.
    """

    database: Database
    read_events: ReadEvents
    clock: Clock
    types: Collection[EventType]

    def __call__(self, should_stop: Callable[[], bool] = lambda: False) -> None:
        self.start()
        while not should_stop() and self._enqueue_batch():
            pass

    def start(self) -> None:
        """Begins with the next event if webhooks were never sent before."""
        self.read_events.skip_to_end(CURSOR_NAME)

    def _enqueue_batch(self) -> int:
        with self.read_events(CURSOR_NAME) as batch:
            messages = [_message(position, event) for position, event in batch if event.type in self.types]
            if messages:
                with self.database.begin() as tx:
                    for message in messages:
                        if message.expires_at > self.clock() and tx.outbox.lock(message.id) is None:
                            tx.outbox.add(message)
        return len(batch)


def _message(position: int, event: Event) -> Message:
    name = f"account.{event.type}"
    return Message(
        id=f"event-{position}-{event.occurred_at:.0f}",  # with the time, because a restored backup gives positions again
        channel=Channel.WEBHOOK,
        recipient=RECIPIENT,
        template=name,
        values={"payload": _payload(name, event)},
        not_before=event.occurred_at,
        expires_at=event.occurred_at + KEPT_SECONDS,
        account_id=event.account_id,
        is_urgent=event.type in ENDS_ACCESS,
    )


def _payload(name: str, event: Event) -> str:
    at = datetime.fromtimestamp(event.occurred_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = {"account_id": event.account_id, "session_id": event.session_id, "detail": event.detail or None}
    return json.dumps({"type": name, "timestamp": at, "data": data}, separators=(",", ":"))
