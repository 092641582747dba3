"""Delivery of messages from the outbox."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from traceback import extract_tb
from zlib import crc32

from ..domain.errors import Unavailable
from ..domain.rate_limits import DAY, HOUR, MINUTE
from .invitations import TEMPLATE as INVITATION
from .invitations import token_of
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

FIRST_RETRY_DELAY = 5.0
MAX_CODE_RETRY_DELAY = MINUTE
MAX_NOTICE_RETRY_DELAY = 30 * MINUTE
"""The delay doubles with each failed attempt, up to these maxima. The attempts go on until the message expires."""

UNCERTAIN_RETRY_DELAYS = (5.0, MINUTE, 10 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR)
"""Delays after attempts of which the next hop may have accepted one: each may be one more copy for the recipient."""

WEBHOOK_RETRY_DELAYS = (5.0, 5 * MINUTE, 30 * MINUTE, *(hours * HOUR for hours in (2, 5, 10, 14, 20, 24)))
"""Delays after each failed attempt; one more failure is the last. They follow Standard Webhooks."""

MAX_WANTED_DELAY = DAY
"""The longest delay that a next hop is granted."""

DECOY_RECIPIENTS = {Channel.EMAIL: "nobody@localhost.localdomain", Channel.MOBILE: "0000000000"}
"""The recipients of decoys, which are rendered and not sent."""

_log = logging.getLogger("vestibule.delivery")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverMessages:
    """Sends the messages that are due. Returns how many it leased: 0 if none was due, or their next hop is down.

    Each is sent at least once: when a delivery worker dies, its lease expires and another worker takes its messages. A mail or
    SMS is tried until it expires, a code until its end; a webhook ten times. One bad message delays no other. A failure that
    concerns all messages of a channel counts for the one that met it, and the rest wait, with no attempt of theirs used up. A
    decoy takes the same steps, but its notifier sends nothing. `channels` have a delivery worker each.
    """

    database: Database
    notifier: Notifier
    codes: Codes
    clock: Clock
    service: str = "Vestibule"
    channels: Sequence[Channel] = (Channel.EMAIL, Channel.MOBILE)
    enqueue_webhooks: EnqueueWebhooks | None = None
    invitation_url: str | None = None

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
        waiting: list[Message] = []
        down: set[Channel] = set()
        for position, message in enumerate(messages):
            if should_stop() or self.clock() - started >= (MAX_BATCH_SECONDS if message.is_urgent else MAX_ROUTINE_SECONDS):
                waiting += messages[position:]
                break
            if message.channel in down:
                waiting.append(message)
            elif self._deliver(message):
                down.add(message.channel)
        if waiting:
            self._release(waiting)
        return sum(message.channel not in down for message in messages)

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

    def _deliver(self, message: Message) -> bool:
        """Returns whether the next hop is down for all messages."""
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
        return isinstance(failure, TemporaryFailure) and failure.concerns_all

    def _outgoing(self, message: Message) -> OutgoingMessage:
        values = {**message.values, "service": self.service}
        if message.challenge is not None:
            values["code"] = self.codes.code(*message.challenge)
        if message.template == INVITATION:
            values["token"] = token_of(self.codes, values["invitation"])
            if self.invitation_url is not None:
                values["link"] = self.invitation_url.replace("{token}", values["token"])
        recipient = message.recipient or DECOY_RECIPIENTS[message.channel]
        return OutgoingMessage(
            id=message.id, channel=message.channel, recipient=recipient, template=message.template, values=values
        )

    def _record_outcome(self, message: Message, failure: BaseException | None) -> None:
        delay = _retry_delay(message, failure)
        retry_at = self.clock() + (delay or 0.0)
        level = logging.ERROR if isinstance(failure, TemporaryFailure) and failure.is_misconfiguration else logging.WARNING
        is_last = delay is None or retry_at >= message.expires_at
        with self.database.begin() as tx:
            if failure is None:
                tx.outbox.delete(message.id)
            elif is_last:
                tx.outbox.mark_failed(message.id, _description(failure))
            else:
                tx.outbox.count_failure(message.id, retry_at)
        if failure is not None and is_last:
            _log.log(level, "message %s failed permanently: %s", message.id, _description(failure))
        elif failure is not None:
            _log.log(level, "message %s failed, retrying in %.0f s: %s", message.id, delay, _description(failure))


def is_deliverable(tx: Transaction, message: Message, now: float) -> bool:
    """Returns whether it is unexpired, and its code or invitation is current: not replaced, used or revoked."""
    if now >= message.expires_at:
        return False
    if message.template == INVITATION:
        return tx.invitations.is_open(message.values["invitation"], now)
    return message.challenge is None or tx.challenges.is_current(message.challenge[0], now)


def _retry_delay(message: Message, failure: BaseException | None) -> float | None:
    """Seconds until the next attempt, at least those that the next hop wants; None if there is to be none.

    They vary by up to a tenth, so that messages that failed together do not return together.
    """
    delay = None if isinstance(failure, PermanentFailure) else _scheduled_delay(message, failure)
    if delay is None:
        return None
    wanted = failure.retry_after if isinstance(failure, TemporaryFailure) else 0.0
    jitter = crc32(message.id.encode()) % 1000 / 10_000
    return max(delay * (1 + jitter), min(wanted, MAX_WANTED_DELAY))


def _scheduled_delay(message: Message, failure: BaseException | None) -> float | None:
    attempts = message.failed_attempts
    if message.channel is Channel.WEBHOOK:
        return WEBHOOK_RETRY_DELAYS[attempts] if attempts < len(WEBHOOK_RETRY_DELAYS) else None
    if not isinstance(failure, TemporaryFailure) or failure.may_have_arrived:
        return UNCERTAIN_RETRY_DELAYS[min(attempts, len(UNCERTAIN_RETRY_DELAYS) - 1)]
    longest = MAX_NOTICE_RETRY_DELAY if message.challenge is None else MAX_CODE_RETRY_DELAY
    return min(FIRST_RETRY_DELAY * 2.0 ** min(attempts, 10), longest)


def _description(failure: BaseException) -> str:
    """The text to log: a notifier's own message; of any other exception, which may quote a code, only its class and place."""
    name = type(failure).__name__
    if isinstance(failure, PermanentFailure | TemporaryFailure):
        return f"{name}: {failure}"
    frames = extract_tb(failure.__traceback__)
    return f"{name} in {frames[-1].filename}:{frames[-1].lineno}" if frames else name
