"""Carrying messages out of the outbox into the world."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

from .ports import (
    Channel,
    Clock,
    Codes,
    Database,
    DeliveryFailed,
    Message,
    Notifier,
    OutgoingMessage,
    Transaction,
    Undeliverable,
)

LEASE_SECONDS = 60.0
LEASE_USED = LEASE_SECONDS / 2
MOST_AT_ONCE = 10
LONGEST_PAUSE = 86_400.0

_MINUTE, _HOUR = 60.0, 3600.0
_OF_LETTERS = (5.0, 10.0, 20.0, 40.0, 80.0)
PAUSES: Mapping[Channel, Sequence[float]] = {
    Channel.EMAIL: _OF_LETTERS,
    Channel.MOBILE: _OF_LETTERS,
    Channel.WEBHOOK: (5.0, 5 * _MINUTE, 30 * _MINUTE, *(hours * _HOUR for hours in (2, 5, 10, 14, 20, 24))),
}
"""Seconds after each failed attempt; one more that fails is the last. Of webhooks, as Standard Webhooks recommends."""

NOBODY = {Channel.EMAIL: "nobody@localhost.localdomain", Channel.MOBILE: "0000000000"}
"""Who stands on a letter that is only pretended."""

_log = logging.getLogger("vestibule.courier")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverMessages:
    """Sends what is due, and answers how many messages it took up.

    At least once each: a courier that dies leaves its messages to the next one when the lease ends. A failure is tried again
    after `PAUSES`, six times at most (for a webhook ten), and never after the code's end. A bad message stops no other.
    A decoy goes the way of the others up to the last step. `channels` are those that have a courier each.
    """

    database: Database
    notifier: Notifier
    codes: Codes
    clock: Clock
    service: str = "Vestibule"
    channels: Sequence[Channel] = (Channel.EMAIL, Channel.MOBILE)

    def __call__(self, kind: Channel | None = None, *, is_over: Callable[[], bool] = lambda: False) -> int:
        """Of one kind alone, where each has a courier of its own, so that none waits for the other's server.

        `is_over` is asked before each message. Once it says so, or a slow server has used up half of the lease, what is left is
        due again for whoever is free.
        """
        begun = self.clock()
        with self.database.begin() as tx:
            messages = tx.outbox.lease(begun, seconds=LEASE_SECONDS, limit=MOST_AT_ONCE, channel=kind)
        for position, message in enumerate(messages):
            if is_over() or self.clock() - begun >= LEASE_USED:
                self._put_back(messages[position:])
                break
            self._deliver(message)
        return len(messages)

    def _put_back(self, messages: Sequence[Message]) -> None:
        with self.database.begin() as tx:
            for message in messages:
                tx.outbox.release(message.id)

    def _deliver(self, message: Message) -> None:
        failure: Exception | None = None
        with self.database.begin() as tx:
            wanted = is_wanted(tx, message, self.clock())
        if wanted:
            try:
                carry = self.notifier.send if message.recipient is not None else self.notifier.send_decoy
                carry(self._letter(message))
            except Exception as error:  # noqa: BLE001 — whatever it is, it must not stop the other messages
                failure = error
        self._conclude(message, failure)

    def _letter(self, message: Message) -> OutgoingMessage:
        values = {**message.values, "service": self.service}
        if message.challenge is not None:
            values["code"] = self.codes.code(*message.challenge)
        sent_to = message.recipient or NOBODY[message.channel]
        return OutgoingMessage(
            id=message.id, channel=message.channel, recipient=sent_to, template=message.template, values=values
        )

    def _conclude(self, message: Message, failure: Exception | None) -> None:
        pause = _pause(message, failure)
        again = self.clock() + (pause or 0.0)
        with self.database.begin() as tx:
            if failure is None:
                tx.outbox.delete(message.id)
            elif pause is None or again >= message.expires_at:
                _log.warning("message %s is given up: %s", message.id, _told(failure))
                tx.outbox.give_up(message.id, _told(failure))
            else:
                _log.warning("message %s failed, again in %.0f s: %s", message.id, pause, _told(failure))
                tx.outbox.reschedule(message.id, again)


def is_wanted(tx: Transaction, message: Message, now: float) -> bool:
    """Not for a code that has been replaced, used or outlived."""
    return now < message.expires_at and (message.challenge is None or tx.challenges.is_current(message.challenge[0], now))


def _pause(message: Message, failure: Exception | None) -> float | None:
    """Seconds until the next attempt, no less than the next hop wants; None where there is to be none.

    Those of webhooks differ by up to a tenth, for what failed together shall not come back together.
    """
    pauses = PAUSES[message.channel]
    if isinstance(failure, Undeliverable) or message.attempts >= len(pauses):
        return None
    wanted = failure.retry_after if isinstance(failure, DeliveryFailed) else 0.0
    spread = crc32(message.id.encode()) % 1000 / 10_000 if message.channel is Channel.WEBHOOK else 0.0
    return max(pauses[message.attempts] * (1 + spread), min(wanted, LONGEST_PAUSE))


def _told(failure: Exception) -> str:
    """What may be logged: the text of what a notifier says itself, but the kind alone of what it stumbled over."""
    kind = type(failure).__name__
    return f"{kind}: {failure}" if isinstance(failure, Undeliverable | DeliveryFailed) else kind
