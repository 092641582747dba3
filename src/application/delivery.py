"""Delivery of messages from the outbox."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

from ..domain.errors import Unavailable
from ..domain.rate_limits import DAY
from .ports import (
    Channel,
    Clock,
    Codes,
    Database,
    Message,
    Notifier,
    OutgoingMessage,
    PermanentFailure,
    TemporaryFailure,
    Transaction,
)
from .webhooks import EnqueueWebhooks

LEASE_SECONDS = 60.0
MAX_BATCH = 10
MAX_BATCH_SECONDS = LEASE_SECONDS / 2
MAX_ROUTINE_SECONDS = 1.0
"""How long a batch may go on before the next message that is not urgent: an urgent one may have come meanwhile."""

MAX_RETRY_DELAY = DAY

_MINUTE, _HOUR = 60.0, 3600.0
_MESSAGE_RETRY_DELAYS = (5.0, 10.0, 20.0, 40.0, 80.0)
RETRY_DELAYS: Mapping[Channel, Sequence[float]] = {
    Channel.EMAIL: _MESSAGE_RETRY_DELAYS,
    Channel.MOBILE: _MESSAGE_RETRY_DELAYS,
    Channel.WEBHOOK: (5.0, 5 * _MINUTE, 30 * _MINUTE, *(hours * _HOUR for hours in (2, 5, 10, 14, 20, 24))),
}
"""Seconds after each failed attempt; one more failure is the last. Those of webhooks follow Standard Webhooks."""

DECOY_RECIPIENTS = {Channel.EMAIL: "nobody@localhost.localdomain", Channel.MOBILE: "0000000000"}
"""The recipients of decoys, which are rendered and not sent."""

_log = logging.getLogger("vestibule.delivery")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverMessages:
    """Sends the messages that are due. Returns how many it leased, of which it may release or drop some: 0 if none was due.

    Each is sent at least once: when a delivery worker dies, its lease expires and another worker takes its messages. A failed
    message is retried after `RETRY_DELAYS`, with at most six attempts (ten for a webhook) and never after its code expires.
    One bad message delays no other. A decoy takes the same steps, but its notifier sends nothing. `channels` have a delivery
    worker each.
    """

    database: Database
    notifier: Notifier
    codes: Codes
    clock: Clock
    service: str = "Vestibule"
    channels: Sequence[Channel] = (Channel.EMAIL, Channel.MOBILE)
    enqueue_webhooks: EnqueueWebhooks | None = None

    def __call__(self, channel: Channel | None = None, *, should_stop: Callable[[], bool] = lambda: False) -> int:
        """Delivers one channel alone if given, so that a worker per channel never waits for another channel's server.

        `should_stop` is called before each message. Once it is true, or `MAX_BATCH_SECONDS` have passed (`MAX_ROUTINE_SECONDS`
        if none of the rest is urgent), the remaining messages are released to the next batch.
        """
        if self.enqueue_webhooks is not None and channel in (None, Channel.WEBHOOK):
            self._enqueue(self.enqueue_webhooks, should_stop)
        started = self.clock()
        with self.database.begin() as tx:
            messages = tx.outbox.lease(started, seconds=LEASE_SECONDS, limit=MAX_BATCH, channel=channel)
        for position, message in enumerate(messages):
            if should_stop() or self.clock() - started >= (MAX_BATCH_SECONDS if message.is_urgent else MAX_ROUTINE_SECONDS):
                self._release(messages[position:])
                break
            self._deliver(message)
        return len(messages)

    def _enqueue(self, enqueue_webhooks: EnqueueWebhooks, should_stop: Callable[[], bool]) -> None:
        try:
            enqueue_webhooks(should_stop)
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 — an event that cannot be read must not stop the webhooks that wait
            _log.exception("new events cannot be read for webhooks")

    def _release(self, messages: Sequence[Message]) -> None:
        with self.database.begin() as tx:
            for message in messages:
                tx.outbox.release_lease(message.id)

    def _deliver(self, message: Message) -> None:
        failure: BaseException | None = None
        with self.database.begin() as tx:
            deliverable = is_deliverable(tx, message, self.clock())
        if deliverable:
            try:
                send = self.notifier.send if message.recipient is not None else self.notifier.send_decoy
                send(self._outgoing(message))
            except (Exception, SystemExit) as error:  # noqa: BLE001 — no error may stop the other messages
                failure = error
        self._record_outcome(message, failure)

    def _outgoing(self, message: Message) -> OutgoingMessage:
        values = {**message.values, "service": self.service}
        if message.challenge is not None:
            values["code"] = self.codes.code(*message.challenge)
        recipient = message.recipient or DECOY_RECIPIENTS[message.channel]
        return OutgoingMessage(
            id=message.id, channel=message.channel, recipient=recipient, template=message.template, values=values
        )

    def _record_outcome(self, message: Message, failure: BaseException | None) -> None:
        delay = _retry_delay(message, failure)
        retry_at = self.clock() + (delay or 0.0)
        with self.database.begin() as tx:
            if failure is None:
                tx.outbox.delete(message.id)
            elif delay is None or retry_at >= message.expires_at:
                _log.warning("message %s failed permanently: %s", message.id, _description(failure))
                tx.outbox.mark_failed(message.id, _description(failure))
            else:
                _log.warning("message %s failed, retrying in %.0f s: %s", message.id, delay, _description(failure))
                tx.outbox.count_failure(message.id, retry_at)


def is_deliverable(tx: Transaction, message: Message, now: float) -> bool:
    """Returns whether it is unexpired, and its code, if it has one, is current: not replaced, used or revoked."""
    return now < message.expires_at and (message.challenge is None or tx.challenges.is_current(message.challenge[0], now))


def _retry_delay(message: Message, failure: BaseException | None) -> float | None:
    """Seconds until the next attempt, at least those that the next hop wants; None if there is to be none.

    The delays of webhooks vary by up to a tenth, so that messages that failed together do not return together.
    """
    delays = RETRY_DELAYS[message.channel]
    if isinstance(failure, PermanentFailure) or message.failed_attempts >= len(delays):
        return None
    wanted = failure.retry_after if isinstance(failure, TemporaryFailure) else 0.0
    jitter = crc32(message.id.encode()) % 1000 / 10_000 if message.channel is Channel.WEBHOOK else 0.0
    return max(delays[message.failed_attempts] * (1 + jitter), min(wanted, MAX_RETRY_DELAY))


def _description(failure: BaseException) -> str:
    """The text to log: a notifier's own message, but only the class of any other exception."""
    name = type(failure).__name__
    return f"{name}: {failure}" if isinstance(failure, PermanentFailure | TemporaryFailure) else name
